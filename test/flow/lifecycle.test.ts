/** Accounts and repositories that are renamed, moved, hidden, archived, deleted, and come back: from signed event to outcome. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { AuditRecord } from "../../src/core/audit.ts";
import type { HostId } from "../../src/core/model.ts";
import type { BuildContext, BuildEnd } from "../../src/engine/ports.ts";
import type { EventDelivery, HostInstallation, HostRepository } from "../hosts/github/index.ts";
import { createWorld, digestOf, eventually, type World } from "../support/world.ts";

const FILES = {
  Dockerfile: "FROM scratch\n",
  ".wharfinger.yml": "version: 1\nimages:\n  - { name: api, rules: [{ branch: '**', tags: [latest] }] }\n",
};

interface ApiDelivery {
  readonly deliveryId: string;
  readonly outcome: string;
  readonly note: string | null;
  readonly builds: readonly string[];
  readonly decisions: readonly { readonly reason: string | null }[];
}

let world: World;
let repository: HostRepository;
let installation: HostInstallation;
/** Ends all builds that wait; until then they do if `holding`. */
let release: (() => void)[];
let holding: boolean;

async function build({ request, signal }: BuildContext): Promise<BuildEnd> {
  if (holding) {
    await new Promise<void>((done) => {
      release.push(done);
      signal.addEventListener("abort", () => done());
    });
  }
  if (signal.aborted) return { kind: "stopped" };
  return { kind: "built", image: { digest: digestOf(request.source.sha) } };
}

beforeEach(async () => {
  [release, holding] = [[], false];
  world = await createWorld({ build, concurrency: 1 });
  const acme = world.github.organization("acme");
  repository = await world.github.repository(acme, "api");
  await repository.commit({ message: "Begin", files: FILES });
  installation = await world.github.install(acme);
  await processed((installation as HostInstallation & { delivery: EventDelivery }).delivery);
});

afterEach(async () => {
  for (const done of release) done();
  const { violations } = world.github;
  await world.close();
  expect(violations).toEqual([]);
});

function idOf({ id }: { readonly id: number }): HostId {
  return { provider: "github", host: "default", id: String(id) };
}

function processed({ guid }: Pick<EventDelivery, "guid">): Promise<ApiDelivery> {
  return eventually(`delivery ${guid} processed`, async () => {
    const { items } = await world.api<{ items: ApiDelivery[] }>("/deliveries?limit=100");
    const found = items.find((one) => one.deliveryId === guid);
    return found === undefined || found.outcome === "pending" ? null : found;
  });
}

async function push(to: HostRepository = repository, branch = "main"): Promise<ApiDelivery & { readonly sha: string }> {
  const { sha, delivery } = await world.github.push(to, { branch, files: { n: `${branch} ${Math.random()}` } });
  return { ...(await processed(delivery)), sha };
}

async function ended(id: string | undefined): Promise<{ readonly state: string; readonly image: string }> {
  return eventually(`build ${id} ended`, async () => {
    const found = id === undefined ? null : await world.store().getBuild(id);
    return found !== null && !["queued", "running", "held"].includes(found.state) ? found : null;
  });
}

async function publish(to: HostRepository = repository): Promise<string> {
  const pushed = await push(to);
  const { state, image } = await ended(pushed.builds[0]);
  expect(state).toBe("succeeded");
  return image;
}

async function audits(action: AuditRecord["action"]): Promise<readonly AuditRecord[]> {
  const { items } = await world.store().listAudit({ limit: 100, cursor: null });
  return items.filter((one) => one.action === action);
}

/** Things happen, and nobody here hears of them. */
async function unheard(happen: () => Promise<unknown>): Promise<void> {
  world.github.setWebhook(null);
  await happen();
  world.github.setWebhook({
    url: `${world.url}/webhooks/github`,
    secret: "a webhook secret of more than thirty-two characters",
  });
}

describe("an account", () => {
  it("that is renamed keeps its namespace: new images go where the old ones are", async () => {
    expect(await publish()).toBe("acme/api");
    const told = await processed(await world.github.renameAccount(installation.account, "acme-corp"));
    expect(told.note).toBe("the account is called acme-corp now; images stay where they are");
    expect(await world.store().getInstallation(idOf(installation))).toMatchObject({
      account: { login: "acme-corp" },
      namespace: "acme",
    });
    expect(await publish()).toBe("acme/api");
    expect(await audits("installation.renamed")).toMatchObject([
      { subject: "acme-corp", facts: { from: "acme" }, by: { kind: "host", actor: { login: "mona" } } },
    ]);
  });

  it("that is renamed without a word is found out with its next push", async () => {
    await unheard(() => world.github.renameAccount(installation.account, "acme-corp"));
    expect(await publish()).toBe("acme/api");
    expect(await world.store().getInstallation(idOf(installation))).toMatchObject({ account: { login: "acme-corp" } });
  });

  it("that installs again, under another id, has its namespace, policy and images back", async () => {
    await publish();
    await world.store().setPolicy(idOf(installation), { forks: "never" }, { kind: "operator" });
    await processed(await world.github.uninstall(installation));
    const again = await world.github.install(installation.account);
    expect(again.id).not.toBe(installation.id);
    await processed(again.delivery);
    expect(await world.store().getInstallation(idOf(again))).toMatchObject({
      namespace: "acme",
      policy: { forks: "never" },
    });
    expect(await publish()).toBe("acme/api");
    expect(await audits("installation.restored")).toHaveLength(1);
    // The first one's events are late, and change nothing.
    for (const { guid } of world.github.deliveries.filter(({ event }) => event === "installation")) {
      await world.github.redeliver(guid);
    }
    expect(await publish()).toBe("acme/api");
  });

  it("that takes the name of one that was renamed or deleted does not get its namespace", async () => {
    await publish();
    await processed(await world.github.uninstall(installation));
    await world.github.renameAccount(installation.account, "acme-old");
    const usurper = world.github.organization("acme");
    expect(usurper.id).not.toBe(installation.account.id);
    const trap = await world.github.repository(usurper, "api");
    await trap.commit({ message: "Begin", files: FILES });
    const theirs = await world.github.install(usurper);
    await processed(theirs.delivery);
    expect(await world.store().getInstallation(idOf(theirs))).toMatchObject({ namespace: null });
    const pushed = await push(trap);
    expect([pushed.builds, pushed.decisions.map(({ reason }) => reason)]).toEqual([[], ["no-namespace"]]);
    expect(world.lines).toContainEqual(
      expect.objectContaining({
        level: "warn",
        fields: expect.objectContaining({ account: `github:default:${usurper.id}`, reason: expect.any(String) }),
      }),
    );
  });

  it("that is suspended builds nothing, and when a lost word says otherwise builds again", async () => {
    await processed(await world.github.suspend(installation));
    expect(await world.store().getInstallation(idOf(installation))).toMatchObject({ state: "suspended" });
    await unheard(() => world.github.unsuspend(installation));
    expect(await publish()).toBe("acme/api");
    expect(await audits("installation.unsuspended")).toHaveLength(1);
  });

  it("whose events come in the wrong order, or again after the end, stays removed", async () => {
    await processed(await world.github.suspend(installation));
    await processed(await world.github.unsuspend(installation));
    await processed(await world.github.uninstall(installation));
    const bodies = world.github.deliveries.filter(({ event }) => event === "installation").map(({ body }) => body);
    for (const body of bodies) await processed(await world.github.deliver("installation", body));
    expect(await world.store().getInstallation(idOf(installation))).toMatchObject({ state: "removed" });
  });
});

describe("a repository", () => {
  it("that goes to another account is built by that one's mapping; its old image is nobody else's", async () => {
    await publish();
    holding = true;
    const running = await push();
    const waiting = await push(repository, "next");
    await eventually("one builds", () => (release.length > 0 ? true : null));
    const other = world.github.organization("other");
    const theirs = await world.github.install(other);
    await processed(theirs.delivery);
    const told = await processed(await world.github.transfer(repository, other));
    expect(told.note).toBe("other/api: it went to another account; it is linked now");
    // Nothing of the old owner's is published any more.
    expect(await ended(running.builds[0])).toMatchObject({ state: "canceled" });
    expect(await ended(waiting.builds[0])).toMatchObject({ state: "canceled" });
    holding = false;
    expect(await publish()).toBe("other/api");
    // Another repository of the old owner asks for the image it left behind.
    const heir = await world.github.repository(installation.account, "heir");
    await heir.commit({ message: "Begin", files: FILES });
    const tried = await push(heir);
    expect(tried.decisions.map(({ reason }) => reason)).toEqual(["image-not-owned"]);
    expect(await audits("repository.transferred")).toHaveLength(2);
  });

  it("that goes to another account without a word is found out with its next push", async () => {
    await publish();
    const other = world.github.organization("other");
    await processed((await world.github.install(other)).delivery);
    await unheard(() => world.github.transfer(repository, other));
    expect(await publish()).toBe("other/api");
    expect(await world.store().publishedImage("acme/api")).toMatchObject({ owner: { id: String(repository.id) } });
  });

  it("that is deleted leaves its image to nobody who takes its name, until the operator gives it", async () => {
    expect(await publish()).toBe("acme/api");
    for (const delivery of await world.github.deleteRepository(repository)) await processed(delivery);
    const next = await world.github.repository(installation.account, "api");
    await next.commit({ message: "Begin", files: FILES });
    expect((await push(next)).decisions.map(({ reason }) => reason)).toEqual(["image-not-owned"]);
    expect(await world.store().giveImage("acme/api", idOf(next), { kind: "operator" })).toBe(true);
    expect(await publish(next)).toBe("acme/api");
    expect(await audits("repository.deleted")).toHaveLength(1);
    expect(await audits("image.given")).toHaveLength(1);
  });

  it("that is made private has its open images closed, with who did it", async () => {
    await publish();
    await world.store().setImagePublic("acme/api", true, { kind: "operator" });
    await processed(await world.github.setPrivate(repository, true));
    expect(await world.store().publicImages(["acme/api"])).toEqual(new Set());
    expect(await audits("image.closed")).toMatchObject([
      { subject: "acme/api", by: { kind: "host", actor: { login: "mona" } } },
    ]);
    expect(await audits("repository.made-private")).toHaveLength(1);
    // What is public again opens nothing by itself.
    await processed(await world.github.setPrivate(repository, false));
    expect(await world.store().publicImages(["acme/api"])).toEqual(new Set());
    expect(await audits("repository.made-public")).toHaveLength(1);
  });

  it("that is made private without a word has them closed with its next push", async () => {
    await publish();
    await world.store().setImagePublic("acme/api", true, { kind: "operator" });
    await unheard(() => world.github.setPrivate(repository, true));
    await publish();
    expect(await world.store().publicImages(["acme/api"])).toEqual(new Set());
  });

  it("that is archived has nothing built, and is built again when it is not any more", async () => {
    holding = true;
    const [running, waiting] = [await push(), await push(repository, "next")];
    await eventually("one builds", () => (release.length > 0 ? true : null));
    await processed(await world.github.setArchived(repository, true));
    for (const { builds } of [running, waiting]) expect(await ended(builds[0])).toMatchObject({ state: "canceled" });
    expect(await world.store().linkState(idOf(installation), idOf(repository))).toBe("archived");
    holding = false;
    await processed(await world.github.setArchived(repository, false));
    expect(await publish()).toBe("acme/api");
  });

  it("that is renamed keeps its images, and its name may be another one's", async () => {
    await publish();
    await processed(await world.github.rename(repository, "service"));
    const next = await world.github.repository(installation.account, "api");
    await next.commit({ message: "Begin", files: FILES });
    expect((await push(next)).decisions.map(({ reason }) => reason)).toEqual(["image-not-owned"]);
    expect(await publish()).toBe("acme/api");
    expect(await audits("repository.renamed")).toMatchObject([
      { subject: "acme/service", facts: { from: "acme/api" } },
    ]);
  });
});
