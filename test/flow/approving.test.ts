import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { HostAccount, HostRepository } from "../hosts/github/index.ts";
import { ADMIN_TOKEN, createWorld, eventually, type World } from "../support/world.ts";

const DOCKERFILE = "FROM scratch\nCOPY . /\n";
const CONFIG = `version: 1
images:
  - name: api
    rules:
      - branch: main
      - pull_request: main
        tags: ["pr-{pr}"]
  - name: worker
    rules:
      - pull_request: main
        tags: ["pr-{pr}"]
`;

interface ApiBuild {
  readonly id: string;
  readonly image: string;
  readonly state: string;
  readonly delivery: string;
  readonly approval: { readonly actor: object | null; readonly at: string } | null;
}

let world: World;
let acme: HostAccount;
let repository: HostRepository;

beforeEach(async () => {
  world = await createWorld();
  acme = world.github.organization("acme");
  repository = await world.github.repository(acme, "api", { private: false });
  await repository.commit({ message: "Begin", files: { Dockerfile: DOCKERFILE, ".wharfinger.yml": CONFIG } });
  await world.github.install(acme, { repositories: [repository] });
});

afterEach(async () => {
  const { violations } = world.github;
  await world.close();
  expect(violations).toEqual([]);
});

/** Opens a pull request of a stranger; answers its builds once they wait. */
async function held(): Promise<readonly ApiBuild[]> {
  const fork = await world.github.fork(repository, world.github.user("stranger"));
  await fork.commit({ branch: "fix", message: "Fix", files: { "README.md": "fixed" } });
  await world.github.openPull(repository, { head: "fix", from: fork });
  return eventually("both images are held", async () => {
    const waiting = (await builds()).filter(({ state }) => state === "held");
    return waiting.length === 2 ? waiting : null;
  });
}

async function builds(): Promise<readonly ApiBuild[]> {
  return (await world.api<{ items: readonly ApiBuild[] }>("/builds")).items;
}

/** What may be seen of a build a stranger asked for, once the operator let it run. */
async function ranUntrusted(ids: readonly string[]): Promise<void> {
  await eventually("both are built", async () => {
    const done = (await builds()).filter(({ state }) => state === "succeeded");
    return done.length === 2 ? done : null;
  });
  expect(world.built.map(({ request }) => request.id).toSorted()).toEqual([...ids].toSorted());
  for (const { request } of world.built) {
    expect([request.trust, request.image.push]).toEqual(["untrusted", false]);
  }
}

function send(path: string, init: RequestInit): Promise<Response> {
  return fetch(world.url + path, { redirect: "manual", ...init });
}

describe("a pull request of a stranger", () => {
  it("is built once the operator approves it over the API, all images of the delivery, and once only", async () => {
    const waiting = await held();
    expect(world.built).toEqual([]);
    const headers = { Authorization: `Bearer ${ADMIN_TOKEN}` };
    const ids = waiting.map(({ id }) => id).toSorted();
    const answer = await send(`/api/v1/builds/${ids[0]}/approve`, { method: "POST", headers });
    expect(answer.status).toBe(200);
    expect(((await answer.json()) as { builds: string[] }).builds.toSorted()).toEqual(ids);
    await ranUntrusted(ids);
    for (const build of await builds()) expect(build.approval).toMatchObject({ actor: null });
    const again = await send(`/api/v1/builds/${ids[1]}/approve`, { method: "POST", headers });
    expect([again.status, await again.text()]).toEqual([
      409,
      expect.stringContaining("approved already, by the operator"),
    ]);
  });

  it("is built for somebody over the API as soon as GitHub says that they may, and shown as theirs", async () => {
    const [first] = await held();
    const rita = world.github.user("rita");
    const person = { id: String(rita.id), login: rita.login };
    const approveAs = async (actor: object) => {
      const headers = { Authorization: `Bearer ${ADMIN_TOKEN}`, "Content-Type": "application/json" };
      const body = JSON.stringify({ actor });
      const answer = await send(`/api/v1/builds/${first?.id}/approve`, { method: "POST", headers, body });
      return { status: answer.status, body: (await answer.json()) as { error?: { code: string; message: string } } };
    };

    world.github.setRole(repository, rita, "triage");
    const refused = await approveAs(person);
    expect([refused.status, refused.body.error]).toEqual([
      403,
      {
        code: "not-allowed",
        message: "rita may not approve builds of acme/api: that takes the role write; GitHub gives them read there.",
      },
    ]);
    const line = world.lines.find((one) => one.message === "somebody was refused");
    expect(line).toMatchObject({ fields: { reason: "role-read", action: "build.approve", actor: person.id } });

    world.github.setRole(repository, rita, "write");
    // Whoever has no rights does not get them by another's login.
    const eve = { id: String(world.github.user("eve").id), login: "rita" };
    expect((await approveAs(eve)).status).toBe(403);
    const isQuestion = ({ path }: { readonly path: string }) => path.includes("/collaborators/");
    world.github.inject({ match: isQuestion, effect: { status: 502 } });
    expect(await approveAs(person)).toMatchObject({ status: 503, body: { error: { code: "host-unavailable" } } });
    expect((await builds()).map(({ state }) => state)).toEqual(["held", "held"]);

    expect((await approveAs(person)).status).toBe(200);
    await eventually("both are built", async () => {
      const done = (await builds()).filter(({ state }) => state === "succeeded");
      return done.length === 2 ? done : null;
    });
    for (const build of await builds()) expect(build.approval).toMatchObject({ actor: person });
    const { items } = await world.api<{ items: { action: string; by: object }[] }>("/audit");
    expect(items.filter(({ action }) => action === "build.approved")).toMatchObject([
      { by: { kind: "person", provider: "github", host: "default", actor: person }, facts: { builds: "2" } },
    ]);
  });

  it("is built once the operator presses the button on its page, which shows who did", async () => {
    const waiting = await held();
    const form = new URLSearchParams({ token: ADMIN_TOKEN });
    const signedIn = await send("/auth/token", { method: "POST", body: form });
    const headers = { Cookie: signedIn.headers.get("set-cookie")?.split(";")[0] ?? "", Accept: "text/html" };
    const place = `/builds/${waiting[0]?.id}`;
    const page = await (await send(place, { headers })).text();
    expect(page).toContain("With it, 1 more of");
    const token = /approve">\s*<input type="hidden" name="form_token" value="([\w-]+)"/.exec(page)?.[1] ?? "";
    const body = new URLSearchParams({ form_token: token });
    const pressed = await send(`${place}/approve`, { method: "POST", headers, body });
    expect([pressed.status, pressed.headers.get("location")]).toEqual([303, place]);
    await ranUntrusted(waiting.map(({ id }) => id));
    const after = await (await send(place, { headers })).text();
    expect(after).toMatch(/by the operator, <time/);
    expect(after).not.toContain("Approve and build");
    const delivery = await (await send(`/deliveries/${waiting[0]?.delivery}`, { headers })).text();
    expect(delivery).toContain('<span class="pill hold">hold</span>');
    expect(delivery).toContain("(awaiting-approval)");
  });

  it("is not built where the operator sets the installation's ceiling to never", async () => {
    const installation = await eventually("the installation is known", async () => {
      return (await world.api<{ items: { id: string }[] }>("/installations")).items[0] ?? null;
    });
    const headers = { Authorization: `Bearer ${ADMIN_TOKEN}`, "Content-Type": "application/json" };
    const path = `/api/v1/installations/github/default/${installation.id}/policy`;
    expect((await send(path, { method: "PATCH", headers, body: '{"forks":"never"}' })).status).toBe(200);
    const fork = await world.github.fork(repository, world.github.user("stranger"));
    await fork.commit({ branch: "fix", message: "Fix", files: { "README.md": "fixed" } });
    const { delivery } = await world.github.openPull(repository, { head: "fix", from: fork });
    const { trace } = await eventually("the pull request is decided", async () => {
      const found = await world.api<{ outcome: string; trace: { reason: string | null }[] }>(
        `/deliveries/${delivery.guid}`,
      );
      return found.outcome === "planned" ? found : null;
    });
    expect(new Set(trace.map(({ reason }) => reason))).toEqual(new Set(["no-match", "untrusted-fork"]));
    expect(await builds()).toEqual([]);
  });
});
