/** Builds of one branch that end in another order than their pushes came, with a real registry. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { BuildContext, BuildEnd } from "../../src/engine/ports.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import type { HostCheckRun, HostRepository } from "../hosts/github/index.ts";
import { openUploads, type PushedImage, pushImage, tagsOf } from "../registry/images.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { soleRegistry } from "../support/sole-registry.ts";
import { createWorld, eventually, type World } from "../support/world.ts";

const FILES = {
  Dockerfile: "FROM scratch\n",
  ".wharfinger.yml": "version: 1\nimages:\n  - { name: api, rules: [{ branch: main, tags: [latest, edge] }] }\n",
};
/** A second image, with a tag that no other commit has. */
const EXACT = `  - { name: exact, rules: [{ branch: main, tags: [latest, "sha-{sha7}"] }] }\n`;
const MANY = 10;

interface ApiBuild {
  readonly id: string;
  readonly state: string;
  readonly sha: string;
  readonly image: string;
  readonly digest: string | null;
  readonly tags: readonly string[];
  readonly requestedTags: readonly string[];
  readonly olderTags: readonly { readonly tag: string; readonly reason: string; readonly why: string }[];
}

/** A build that has pushed to its staging repository, and ends when it is told to. */
interface Waiting {
  readonly image: PushedImage;
  finish(): void;
}

let registry: TestRegistry;
let client: RegistryClient;
let world: World;
let repository: HostRepository;
/** By commit and image. */
let waiting: Map<string, Waiting>;

beforeAll(async () => {
  registry = await startRegistry({ auth: true });
  client = createRegistryClient(registry);
});
afterAll(() => registry?.stop());

async function build({ request, signal }: BuildContext): Promise<BuildEnd> {
  const { staging, name } = request.image;
  const image = await pushImage(registry, staging.repository, { tag: staging.tag });
  await new Promise<void>((finish) => {
    waiting.set(`${request.source.sha} ${name}`, { image, finish });
    signal.addEventListener("abort", () => finish());
  });
  if (signal.aborted) return { kind: "stopped" };
  return { kind: "built", image: { digest: image.digest } };
}

/** An organization of the test's own, so that nothing is published in it yet. */
async function begin(owner: string): Promise<void> {
  const account = world.github.organization(owner);
  repository = await world.github.repository(account, "api", { private: true });
  await repository.commit({ message: "Begin", files: { a: "1" } });
  await world.github.install(account, { repositories: [repository] });
}

beforeEach(async () => {
  waiting = new Map();
  // All of them wait at the same time.
  world = await createWorld({
    build,
    concurrency: MANY,
    parts: (parts) => ({ ...parts, registries: soleRegistry(client) }),
  });
});
afterEach(() => world?.close());

/** Pushes, and answers the commit when all its builds wait for being told to end. */
async function push(n: number, images: readonly string[], config = FILES[".wharfinger.yml"]): Promise<string> {
  const files = { ...FILES, ".wharfinger.yml": config, n: `${n}` };
  const { sha } = await world.github.push(repository, { files });
  await eventually("its builds wait", () => (images.every((image) => waiting.has(`${sha} ${image}`)) ? true : null));
  return sha;
}

function told(sha: string, image: string): Waiting {
  const found = waiting.get(`${sha} ${image}`);
  if (found === undefined) throw new Error(`no build of ${image} waits`);
  return found;
}

async function builds(image: string): Promise<readonly ApiBuild[]> {
  const { items } = await world.api<{ items: ApiBuild[] }>("/builds?limit=100");
  return items.filter((one) => one.image === image);
}

function ended(sha: string, image: string): Promise<ApiBuild> {
  return eventually("the build has ended", async () => {
    const found = (await builds(image)).find((one) => one.sha === sha);
    return found !== undefined && ["succeeded", "superseded"].includes(found.state) ? found : null;
  });
}

function concluded(sha: string, name: string): Promise<HostCheckRun> {
  return eventually("a concluded check", () => {
    const last = repository.checkRuns(sha).findLast((one) => one.name === name);
    return last?.conclusion ? last : null;
  });
}

describe("two pushes to a branch whose builds end in the wrong order", () => {
  beforeEach(() => begin("two"));

  it("leave the tags with the later one, and the earlier says why it did not get them", async () => {
    const images = ["two/api", "two/exact"];
    const config = `${FILES[".wharfinger.yml"]}${EXACT}`;
    const [first, second] = [await push(1, images, config), await push(2, images, config)];
    for (const image of images) {
      told(second, image).finish();
      expect((await ended(second, image)).state).toBe("succeeded");
      told(first, image).finish();
    }
    const late = await ended(first, "two/api");
    expect(late).toMatchObject({ state: "superseded", tags: [], requestedTags: ["latest", "edge"] });
    expect(late.olderTags.map(({ tag, reason }) => ({ tag, reason }))).toEqual([
      { tag: "latest", reason: "older-than-published" },
      { tag: "edge", reason: "older-than-published" },
    ]);
    // What names the commit itself is nobody else's.
    const exact = await ended(first, "two/exact");
    expect(exact).toMatchObject({ state: "succeeded", tags: [`sha-${first.slice(0, 7)}`] });
    expect(exact.olderTags.map(({ tag }) => tag)).toEqual(["latest"]);

    const check = await concluded(first, "wharfinger: api");
    expect(check.output.summary).toContain("older-than-published");
    expect(check.conclusion).toBe("neutral");
    expect((await concluded(second, "wharfinger: api")).conclusion).toBe("success");

    expect(await tagsOf(registry, "two/api")).toEqual(["edge", "latest"]);
    for (const image of images) {
      const newest = { ok: true, value: told(second, image).image.digest };
      expect(await client.digest(image, "latest")).toEqual(newest);
    }
    const own = await client.digest("two/exact", `sha-${first.slice(0, 7)}`);
    expect(own).toEqual({ ok: true, value: told(first, "two/exact").image.digest });
  });
});

describe(`${MANY} pushes to a branch`, () => {
  const order = shuffled(MANY, 2026);

  it(`leave the tags with the newest when their builds end in the order ${order.map((n) => n + 1).join(" ")}`, async () => {
    const image = "many/api";
    await begin("many");
    const shas: string[] = [];
    for (let n = 0; n < MANY; n += 1) shas.push(await push(n, [image]));
    for (const [at, n] of order.entries()) {
      told(shas[n] ?? "", image).finish();
      // Every other one while those before it are still being published.
      if (at % 2 === 1) await ended(shas[n] ?? "", image);
    }
    const all: ApiBuild[] = [];
    for (const sha of shas) all.push(await ended(sha, image));
    const { digest } = told(shas.at(-1) ?? "", image).image;
    for (const tag of ["latest", "edge"]) expect(await client.digest(image, tag)).toEqual({ ok: true, value: digest });
    expect(all.at(-1)).toMatchObject({ state: "succeeded", tags: ["latest", "edge"], digest });
    // Each got both tags or neither, and says so.
    for (const one of all) {
      expect([...one.tags, ...one.olderTags.map(({ tag }) => tag)]).toEqual(["latest", "edge"]);
      expect(one.state).toBe(one.tags.length > 0 ? "succeeded" : "superseded");
    }
    // What ended after the newest was published has lost.
    const late = order.slice(order.indexOf(MANY - 1) + 2);
    expect(late.length).toBeGreaterThan(0);
    expect(late.map((n) => all[n]?.state)).toEqual(late.map(() => "superseded"));
    await eventually("nothing is left in staging", async () => {
      const left = await Promise.all(all.map(({ id }) => tagsOf(registry, `staging/${id}`)));
      return left.every((tags) => tags.length === 0) ? true : null;
    });
    expect(await openUploads(registry)).toEqual([]);
  }, 60_000);
});

/** 0 to `count` - 1 in an order that follows from the seed (Fisher and Yates, with a small generator). */
function shuffled(count: number, seed: number): number[] {
  const order = Array.from({ length: count }, (_, n) => n);
  let state = seed;
  for (let at = count - 1; at > 0; at -= 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    const other = (state >>> 8) % (at + 1);
    [order[at], order[other]] = [order[other] ?? 0, order[at] ?? 0];
  }
  return order;
}
