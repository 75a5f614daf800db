/** Approving pull requests on Bitbucket for somebody: who may is Bitbucket's to say, through the door that can ask. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { HostRepository, HostUser, HostWorkspace } from "../hosts/bitbucket/index.ts";
import { type Door, openDoor } from "../support/bitbucket-door.ts";
import { ADMIN_TOKEN, createWorld, eventually, type World } from "../support/world.ts";

const CONFIG = `version: 1
images:
  - name: api
    rules:
      - pull_request: main
        tags: ["pr-{pr}"]
`;

interface ApiBuild {
  readonly id: string;
  readonly state: string;
  readonly approval: { readonly actor: object | null } | null;
}

interface Answer {
  readonly status: number;
  readonly body: { readonly error?: { readonly code: string; readonly message: string } };
}

let world: World;
let workspace: HostWorkspace;
let repository: HostRepository;
let kim: HostUser;

beforeEach(async () => {
  world = await createWorld({ bitbucket: true });
});

afterEach(async () => {
  const { violations } = world.bitbucket;
  await world.close();
  expect(violations).toEqual([]);
});

async function onlyBuild(state: string): Promise<ApiBuild> {
  return eventually(`a build that is ${state}`, async () => {
    const { items } = await world.api<{ items: readonly ApiBuild[] }>("/builds");
    return items.find((one) => one.state === state) ?? null;
  });
}

/** A pull request of a stranger through this door; answers its build once it waits. */
async function held(door: Door): Promise<ApiBuild> {
  workspace = await openDoor(world, door, "harbour");
  repository = await world.bitbucket.repository(workspace, "api", { private: true });
  await repository.commit({ files: { Dockerfile: "FROM scratch\n", ".wharfinger.yml": CONFIG } });
  const fork = await world.bitbucket.fork(repository, world.bitbucket.workspace("stranger"), { private: false });
  await fork.commit({ branch: "patch", files: { a: "1" } });
  await world.bitbucket.openPull(repository, { head: "patch", from: fork });
  kim = world.bitbucket.user("kim");
  return onlyBuild("held");
}

async function approveAs({ id }: ApiBuild, actor: object): Promise<Answer> {
  const answer = await fetch(`${world.url}/api/v1/builds/${id}/approve`, {
    method: "POST",
    headers: { Authorization: `Bearer ${ADMIN_TOKEN}`, "Content-Type": "application/json" },
    body: JSON.stringify({ actor }),
  });
  return { status: answer.status, body: (await answer.json()) as Answer["body"] };
}

describe("a pull request of a stranger on Bitbucket", () => {
  it("is built for somebody as soon as Bitbucket says that they may, by uuid, and shown as theirs", async () => {
    const build = await held("connect");
    const person = { id: kim.uuid, login: "kim" };
    world.bitbucket.setRepositoryPermission(repository, kim, "read");
    expect(await approveAs(build, person)).toEqual({
      status: 403,
      body: {
        error: {
          code: "not-allowed",
          message:
            "kim may not approve builds of harbour/api: that takes the role write; Bitbucket gives them read there.",
        },
      },
    });
    world.bitbucket.setRepositoryPermission(repository, kim, "write");
    const lee = { id: world.bitbucket.user("lee").uuid, login: "kim" };
    expect((await approveAs(build, lee)).status).toBe(403);
    const isQuestion = ({ path }: { readonly path: string }) => path.includes("/permissions/");
    world.bitbucket.inject({ match: isQuestion, effect: { status: 502 } });
    expect(await approveAs(build, person)).toMatchObject({
      status: 503,
      body: { error: { code: "host-unavailable" } },
    });
    expect((await onlyBuild("held")).approval).toBeNull();

    expect((await approveAs(build, person)).status).toBe(200);
    expect((await onlyBuild("succeeded")).approval).toMatchObject({ actor: person });
    const { items } = await world.api<{ items: { action: string }[] }>("/audit");
    expect(items.filter(({ action }) => action === "build.approved")).toMatchObject([
      { by: { kind: "person", provider: "bitbucket", host: "default", actor: person }, subject: "harbour/api" },
    ]);
  });

  it("stays held where only a webhook is connected: its token may not ask, and the answer says what can", async () => {
    const build = await held("webhook");
    world.bitbucket.setRepositoryPermission(repository, kim, "admin");
    const { status, body } = await approveAs(build, { id: kim.uuid, login: "kim" });
    expect([status, body.error?.code]).toEqual([502, "host-refused"]);
    expect(body.error?.message).toMatch(
      /^Whether kim may approve builds is not known, so nothing was done: .*Connect add-on/,
    );
    expect((await onlyBuild("held")).approval).toBeNull();
  });
});
