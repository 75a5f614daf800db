/** Workspaces and repositories on Bitbucket that are renamed, moved, hidden, deleted: by what it says, and what it does not. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { AuditRecord } from "../../src/core/audit.ts";
import type { HostId } from "../../src/core/model.ts";
import { OPERATOR } from "../contract/store.by.ts";
import type { EventDelivery, HostRepository, HostWorkspace } from "../hosts/bitbucket/index.ts";
import { DOORS, openDoor } from "../support/bitbucket-door.ts";
import { createWorld, eventually, type World } from "../support/world.ts";

const FILES = {
  Dockerfile: "FROM scratch\n",
  ".wharfinger.yml": "version: 1\nimages:\n  - { name: api, rules: [{ branch: main, tags: [latest] }] }\n",
};

interface ApiDelivery {
  readonly deliveryId: string;
  readonly outcome: string;
  readonly builds: readonly string[];
  readonly decisions: readonly { readonly reason: string | null }[];
}

let world: World;

beforeEach(async () => {
  world = await createWorld({ bitbucket: true });
});

afterEach(async () => {
  const { violations } = world.bitbucket;
  await world.close();
  expect(violations).toEqual([]);
});

function idOf({ uuid }: { readonly uuid: string }): HostId {
  return { provider: "bitbucket", host: "default", id: uuid };
}

function processed(id: string): Promise<ApiDelivery> {
  return eventually(`delivery ${id} processed`, async () => {
    const { items } = await world.api<{ items: ApiDelivery[] }>("/deliveries?limit=100");
    const found = items.find((one) => one.deliveryId === id);
    return found === undefined || found.outcome === "pending" ? null : found;
  });
}

async function allProcessed(deliveries: readonly EventDelivery[]): Promise<readonly ApiDelivery[]> {
  return Promise.all(deliveries.map(({ requestUuid }) => processed(requestUuid)));
}

async function audits(action: AuditRecord["action"]): Promise<readonly AuditRecord[]> {
  const { items } = await world.store().listAudit({ limit: 100, cursor: null });
  return items.filter((one) => one.action === action);
}

async function push(repository: HostRepository): Promise<ApiDelivery> {
  const { deliveries } = await repository.push([{ branch: "main", files: { ...FILES, n: String(Math.random()) } }]);
  const [delivery] = await allProcessed(deliveries);
  if (delivery === undefined) throw new Error("nobody was told of the push");
  return delivery;
}

/** Answers the image. */
async function publish(repository: HostRepository): Promise<string> {
  const { builds } = await push(repository);
  return eventually("the build ended", async () => {
    const build = builds[0] === undefined ? null : await world.store().getBuild(builds[0]);
    return build?.state === "succeeded" ? build.image : null;
  });
}

describe.each(DOORS)("through the door %s", (door) => {
  let workspace: HostWorkspace;
  let repository: HostRepository;

  beforeEach(async () => {
    workspace = await openDoor(world, door, "harbour");
    repository = await world.bitbucket.repository(workspace, "api");
    await repository.commit({ message: "Begin", files: { "README.md": "hello" } });
    expect(await publish(repository)).toBe("harbour/api");
    // What was seen of it is not good for ever.
    world.clock.advance(60_000);
  });

  it("a workspace that is renamed, of which nobody tells, keeps its namespace", async () => {
    world.bitbucket.renameWorkspace(workspace, "haven");
    expect(await publish(repository)).toBe("harbour/api");
    expect(await world.store().getInstallation(idOf(workspace))).toMatchObject({
      account: { login: "haven" },
      namespace: "harbour",
    });
    expect(await audits("installation.renamed")).toMatchObject([{ subject: "haven", facts: { from: "harbour" } }]);
    expect(await audits("repository.renamed")).toMatchObject([
      { subject: "haven/api", facts: { from: "harbour/api" }, by: { kind: "host", provider: "bitbucket" } },
    ]);
  });

  it("a repository that goes to another workspace is built by its mapping, and its old image is nobody else's", async () => {
    const other = await openDoor(world, door, "other");
    await allProcessed(await world.bitbucket.transfer(repository, other));
    world.clock.advance(60_000);
    expect(await publish(repository)).toBe("other/api");
    expect((await audits("repository.transferred")).length).toBeGreaterThan(0);
    const heir = await world.bitbucket.repository(workspace, "heir");
    await heir.commit({ message: "Begin", files: { "README.md": "hello" } });
    expect((await push(heir)).decisions.map(({ reason }) => reason)).toEqual(["image-not-owned"]);
  });

  it("a repository that is made private has its open images closed", async () => {
    await world.store().setImagePublic("harbour/api", true, OPERATOR);
    await allProcessed(await world.bitbucket.setPrivate(repository, true));
    expect(await world.store().publicImages(["harbour/api"])).toEqual(new Set());
    expect(await audits("repository.made-private")).toMatchObject([{ subject: "harbour/api", by: { kind: "host" } }]);
    expect(await audits("image.closed")).toHaveLength(1);
  });

  it("a repository that takes the name of one that was deleted does not get its image", async () => {
    await allProcessed(await world.bitbucket.delete(repository));
    expect(await world.store().linkState(idOf(workspace), idOf(repository))).toBe("unlinked");
    const next = await world.bitbucket.repository(workspace, "api");
    await next.commit({ message: "Begin", files: { "README.md": "hello" } });
    expect((await push(next)).decisions.map(({ reason }) => reason)).toEqual(["image-not-owned"]);
    expect(await audits("repository.deleted")).toMatchObject([{ subject: "harbour/api" }]);
  });
});
