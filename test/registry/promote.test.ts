/** Copying, tagging and discarding in real registries. */

import { mkdtemp, readFile, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { ensureKeyFile } from "../../src/keys.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import { createStagingNames } from "../../src/registry/staging.ts";
import { openTokenKeys } from "../../src/registry/token-keys.ts";
import { createTokenService } from "../../src/registry/token-service.ts";
import { startRegistry } from "../support/registry.ts";
import { startTokenRegistry } from "../support/token-registry.ts";
import { type ImageRegistry, linkFile, openUploads, type PushedImage, pushImage, pushIndex, tagsOf } from "./images.ts";

const OK = { ok: true, value: true };
const WRITES = /^(?:POST|PUT|PATCH|DELETE) /;

/** A fetch that keeps count of what is sent. */
function counting() {
  const sent: string[] = [];
  const send: typeof fetch = async (input, init) => {
    sent.push(`${init?.method} ${new URL(String(input)).pathname}`);
    return await fetch(input, init);
  };
  return { sent, send, writes: () => sent.filter((line) => WRITES.test(line)) };
}

/** What a puller needs is there: the manifest's exact bytes, and every blob. */
async function expectComplete(client: RegistryClient, repository: string, image: PushedImage): Promise<void> {
  expect(await client.getManifest(repository, image.digest)).toMatchObject({
    ok: true,
    value: { digest: image.digest, mediaType: image.descriptor.mediaType },
  });
  for (const blob of image.blobs) {
    expect(await client.getBlob(repository, blob, 1_000_000)).toMatchObject({ ok: true, value: expect.any(Buffer) });
  }
}

/** Signs its tokens as this program's token service does; nothing answers at the address its registry names for one. */
async function startWithTokens(): Promise<ImageRegistry> {
  const folder = await mkdtemp(join(tmpdir(), "wharfinger-promote-"));
  const keys = openTokenKeys(folder, ensureKeyFile, Date.now());
  const names = { issuer: "wharfinger", service: "registry.test" };
  const staging = createStagingNames("staging/{build}");
  const { issue } = createTokenService({ ...names, keys, guests: null, staging, clock: Date });
  const certificates = await readFile(join(folder, "registry-token.crt"), "utf8");
  const registry = await startTokenRegistry({ ...names, certificates, realm: "http://127.0.0.1:9/token" });
  await rm(folder, { recursive: true });
  return { ...registry, issue };
}

let number = 0;
/** Names nobody has used yet. */
function names() {
  number += 1;
  return { staging: `staging/b${number}`, published: `acme/api${number}` };
}

describe.each<readonly [string, () => Promise<ImageRegistry>]>([
  ["without authentication", () => startRegistry()],
  ["with Basic authentication", () => startRegistry({ auth: true })],
  ["with tokens of our own service", startWithTokens],
])("a docker-registry %s", (_, start) => {
  let registry: ImageRegistry;
  let client: RegistryClient;

  beforeAll(async () => {
    registry = await start();
    client = createRegistryClient(registry);
  });
  afterAll(() => registry?.stop());

  it.each([false, true])("copies an image (of Docker's types: %s), and no tag", async (docker) => {
    const { staging, published } = names();
    const image = await pushImage(registry, staging, { tag: "build", docker });
    expect(await client.copy(staging, published, image.digest)).toEqual(OK);
    await expectComplete(client, published, image);
    expect(await tagsOf(registry, published)).toEqual([]);
    expect(await openUploads(registry)).toEqual([]);
  });

  it("copies an image for several platforms with all of them", async () => {
    const { staging, published } = names();
    const index = await pushIndex(registry, staging, "build");
    expect(await client.copy(staging, published, index.digest)).toEqual(OK);
    await expectComplete(client, published, index);
    for (const image of index.images) await expectComplete(client, published, image);
    expect(await tagsOf(registry, published)).toEqual([]);
  });

  it("copies the digest, whatever its tag points to by now", async () => {
    const { staging, published } = names();
    const image = await pushImage(registry, staging, { tag: "build" });
    await pushImage(registry, staging, { tag: "build" });
    expect(await client.copy(staging, published, image.digest)).toEqual(OK);
    await expectComplete(client, published, image);
  });

  it("writes nothing twice", async () => {
    const { staging, published } = names();
    const { send, writes } = counting();
    const counted = createRegistryClient({ ...registry, fetch: send });
    const index = await pushIndex(registry, staging);
    expect(await counted.copy(staging, published, index.digest)).toEqual(OK);
    expect(await counted.tag(published, "1", index.digest)).toEqual(OK);
    // Two configs, two layers and one in common; two manifests, the index, the tag.
    expect(writes().length).toBe(5 + 4);
    expect(await counted.copy(staging, published, index.digest)).toEqual(OK);
    expect(await counted.tag(published, "1", index.digest)).toEqual(OK);
    expect(writes().length).toBe(5 + 4);
  });

  it("points tags to an image, and from one image to another", async () => {
    const { published } = names();
    const first = await pushImage(registry, published);
    const second = await pushIndex(registry, published);
    for (const tag of ["1", "1.2", "latest"]) {
      expect(await client.tag(published, tag, first.digest)).toEqual(OK);
      expect(await client.digest(published, tag)).toEqual({ ok: true, value: first.digest });
    }
    expect(await client.tag(published, "latest", second.digest)).toEqual(OK);
    expect(await client.digest(published, "latest")).toEqual({ ok: true, value: second.digest });
    expect(await client.digest(published, "1.2")).toEqual({ ok: true, value: first.digest });
    expect(await tagsOf(registry, published)).toEqual(["1", "1.2", "latest"]);
  });

  it("says that it does not have what is to be copied or tagged", async () => {
    const { staging, published } = names();
    const digest = `sha256:${"5".repeat(64)}`;
    const refused = { ok: false, retryable: false, message: expect.stringContaining(`has no ${digest}`) };
    expect(await client.copy(staging, published, digest)).toMatchObject(refused);
    await pushImage(registry, published, { tag: "1" });
    expect(await client.tag(published, "1", digest)).toMatchObject(refused);
  });

  it("discards what was published, with its tags, as often as one likes", async () => {
    const { staging, published } = names();
    const index = await pushIndex(registry, staging, "build");
    await client.copy(staging, published, index.digest);
    for (let turn = 0; turn < 2; turn += 1) {
      expect(await client.discard(staging, index.digest)).toEqual(OK);
      for (const { digest } of [index, ...index.images]) {
        expect(await client.digest(staging, digest)).toEqual({ ok: true, value: null });
      }
      expect(await tagsOf(registry, staging)).toEqual([]);
    }
    await expectComplete(client, published, index);
    for (const image of index.images) await expectComplete(client, published, image);
  });

  it("has copied what it has, even after the place it came from is empty", async () => {
    const { staging, published } = names();
    const image = await pushImage(registry, staging);
    await client.copy(staging, published, image.digest);
    await client.discard(staging, image.digest);
    expect(await client.copy(staging, published, image.digest)).toEqual(OK);
    expect(await client.copy(staging, `${published}-other`, image.digest)).toMatchObject({ ok: false });
  });
});

describe("a registry in trouble", () => {
  let registry: ImageRegistry;
  let client: RegistryClient;

  beforeAll(async () => {
    registry = await startWithTokens();
    client = createRegistryClient(registry);
  });
  afterAll(() => registry?.stop());

  it.each([
    ["the registry never hears of the request", false],
    ["nobody hears of what the registry did", true],
  ])("finishes if interrupted at any request, so that %s", async (_, unheard) => {
    const { staging } = names();
    const index = await pushIndex(registry, staging);
    for (let stop = 1; ; stop += 1) {
      const published = `acme/interrupted${number}-${stop}`;
      let count = 0;
      const cut: typeof fetch = async (input, init) => {
        count += 1;
        if (count > stop || (count === stop && !unheard)) throw new TypeError("fetch failed");
        const response = await fetch(input, init);
        if (count < stop) return response;
        await response.body?.cancel();
        throw new TypeError("fetch failed");
      };
      const first = createRegistryClient({ ...registry, fetch: cut });
      const copied = await first.copy(staging, published, index.digest);
      const tagged = copied.ok ? await first.tag(published, "1", index.digest) : copied;
      const untouched = count < stop;
      expect(tagged).toMatchObject(untouched ? OK : { ok: false, retryable: true });
      expect(await client.copy(staging, published, index.digest)).toEqual(OK);
      expect(await client.tag(published, "1", index.digest)).toEqual(OK);
      expect(await client.digest(published, "1")).toEqual({ ok: true, value: index.digest });
      if (untouched) {
        await expectComplete(client, published, index);
        expect(stop).toBeGreaterThan(20);
        break;
      }
    }
    expect(await openUploads(registry)).toEqual([]);
  });

  it("shows an image under its digest only when all of it is there", async () => {
    const { staging } = names();
    const index = await pushIndex(registry, staging);
    for (let stop = 1; ; stop += 1) {
      const published = `acme/partial-${number}-${stop}`;
      let count = 0;
      const controller = new AbortController();
      const aborting: typeof fetch = async (input, init) => {
        count += 1;
        if (count === stop) controller.abort("shutdown");
        return await fetch(input, init);
      };
      const one = createRegistryClient({ ...registry, fetch: aborting });
      const copied = await one.copy(staging, published, index.digest, controller.signal);
      if (copied.ok) break;
      expect(copied).toMatchObject({ retryable: true, message: expect.stringContaining("stopped") });
      const seen = await client.digest(published, index.digest);
      if (!seen.ok || seen.value !== null) await expectComplete(client, published, index);
    }
  });

  it("discards all of it even if interrupted at any request", async () => {
    for (let stop = 1; ; stop += 1) {
      const { staging, published } = names();
      const index = await pushIndex(registry, staging, "build");
      await client.copy(staging, published, index.digest);
      let count = 0;
      const cut: typeof fetch = async (input, init) => {
        count += 1;
        if (count >= stop) throw new TypeError("fetch failed");
        return await fetch(input, init);
      };
      const first = await createRegistryClient({ ...registry, fetch: cut }).discard(staging, index.digest);
      // Whoever was interrupted may begin at the beginning.
      expect(await client.copy(staging, published, index.digest)).toEqual(OK);
      expect(await client.discard(staging, index.digest)).toEqual(OK);
      for (const { digest } of [index, ...index.images]) {
        expect(await client.digest(staging, digest)).toEqual({ ok: true, value: null });
      }
      if (first.ok) break;
      expect(first).toMatchObject({ ok: false, retryable: true });
    }
  });

  it("is mended by repetition when a crash emptied the files it keeps its references in", async () => {
    const { staging, published } = names();
    const image = await pushImage(registry, staging);
    await client.copy(staging, published, image.digest);
    await client.tag(published, "1", image.digest);
    const hex = image.digest.replace(":", "/");
    const layer = (image.blobs[1] ?? "").replace(":", "/");
    await truncate(linkFile(registry, published, "_manifests/tags/1/current"));
    await truncate(linkFile(registry, published, `_manifests/revisions/${hex}`));
    await truncate(linkFile(registry, published, `_layers/${layer}`));
    const hasty = createRegistryClient({ ...registry, pause: async () => undefined });
    expect((await hasty.digest(published, "1")).ok).toBe(false);
    expect(await hasty.copy(staging, published, image.digest)).toEqual(OK);
    expect(await hasty.tag(published, "1", image.digest)).toEqual(OK);
    await expectComplete(client, published, image);
    expect(await client.digest(published, "1")).toEqual({ ok: true, value: image.digest });
  });

  it("serves readers while tags move: what one sees is one image or the other", async () => {
    const { published } = names();
    const images = [await pushImage(registry, published, { tag: "1" }), await pushImage(registry, published)];
    const digests = images.map((image) => image.digest);
    let writing = true;
    const seen = new Set<string | null>();
    async function read(): Promise<void> {
      while (writing) {
        const answer = await client.digest(published, "1");
        if (!answer.ok) throw new Error(answer.message);
        seen.add(answer.value);
      }
    }
    const readers = [read(), read()];
    for (let turn = 1; turn <= 20; turn += 1) {
      expect(await client.tag(published, "1", digests[turn % 2] ?? "")).toEqual(OK);
    }
    writing = false;
    await Promise.all(readers);
    for (const digest of seen) expect(digests).toContain(digest);
  });
});

it("a registry that can not delete lets builds end well", async () => {
  const registry = await startRegistry({ deletes: false });
  try {
    const client = createRegistryClient(registry);
    const index = await pushIndex(registry, "staging/b1", "build");
    expect(await client.discard("staging/b1", index.digest)).toEqual(OK);
    expect(await client.digest("staging/b1", "build")).toEqual({ ok: true, value: index.digest });
  } finally {
    await registry.stop();
  }
});

describe("names that are none", () => {
  const client = createRegistryClient({ url: "http://127.0.0.1:9", username: null, password: null });
  const digest = `sha256:${"1".repeat(64)}`;

  it("choose no other path", async () => {
    for (const name of ["../a", "a/../b", "a?b", "a#b", "A", ""]) {
      await expect(client.copy(name, "a", digest)).rejects.toThrow("not a repository name");
      await expect(client.tag(name, "1", digest)).rejects.toThrow("not a repository name");
      await expect(client.discard(name, digest)).rejects.toThrow("not a repository name");
    }
    await expect(client.tag("a", "../1", digest)).rejects.toThrow("not a reference");
    for (const wrong of ["latest", "sha256:1", `${digest}0`, digest.toUpperCase()]) {
      await expect(client.copy("a", "b", wrong)).rejects.toThrow("not a digest");
      await expect(client.tag("a", "1", wrong)).rejects.toThrow("not a digest");
      await expect(client.discard("a", wrong)).rejects.toThrow("not a digest");
    }
  });

  it("include those of the repository that is copied to", async () => {
    const registry = await startRegistry();
    try {
      const image = await pushImage(registry, "a");
      const real = createRegistryClient(registry);
      await expect(real.copy("a", "../b", image.digest)).rejects.toThrow("not a repository name");
    } finally {
      await registry.stop();
    }
  });
});

it("an image is not published as long as one of its parts is missing", async () => {
  const registry = await startRegistry();
  try {
    const client = createRegistryClient(registry);
    const index = await pushIndex(registry, "staging/b1");
    const [first] = index.images;
    await client.discard("staging/b1", first?.digest ?? "");
    expect(await client.copy("staging/b1", "acme/api", index.digest)).toMatchObject({
      ok: false,
      retryable: false,
      message: expect.stringContaining(`has no ${first?.digest}`),
    });
    expect(await client.digest("acme/api", index.digest)).toEqual({ ok: true, value: null });
  } finally {
    await registry.stop();
  }
});
