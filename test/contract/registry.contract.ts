/** What every reading client of a registry promises. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { RegistryClient, RegistryOptions } from "../../src/registry/client.ts";

export interface RegistryWorld {
  /** Where the client is to look. It holds `base/busybox:1` and nothing else. */
  readonly url: string;
  readonly username: string | null;
  readonly password: string | null;
  /** False: the account may not push. */
  readonly pushes?: boolean;
  stop(): Promise<void>;
}

export function describeRegistry(
  name: string,
  start: () => Promise<RegistryWorld>,
  create: (options: RegistryOptions) => RegistryClient,
): void {
  describe(name, () => {
    let world: RegistryWorld;
    let client: RegistryClient;

    beforeAll(async () => {
      world = await start();
      client = create(world);
    });
    afterAll(() => world?.stop());

    it("is named as image names carry it", () => {
      expect(client.name).toBe(new URL(world.url).host);
    });

    it("tells that it is ready", async () => {
      expect(await client.check()).toEqual({ ok: true, value: true });
    });

    it("knows the digest of a tag, and the digest itself", async () => {
      const byTag = await client.digest("base/busybox", "1");
      expect(byTag).toEqual({ ok: true, value: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) });
      const digest = byTag.ok ? (byTag.value ?? "") : "";
      expect(await client.digest("base/busybox", digest)).toEqual(byTag);
    });

    it("answers null for what is not there", async () => {
      expect(await client.digest("base/busybox", "2")).toEqual({ ok: true, value: null });
      expect(await client.digest("base/none", "1")).toEqual({ ok: true, value: null });
      const digest = `sha256:${"0".repeat(64)}`;
      expect(await client.digest("base/busybox", digest)).toEqual({ ok: true, value: null });
      expect(await client.getManifest("base/busybox", digest)).toEqual({ ok: true, value: null });
      expect(await client.getBlob("base/busybox", digest, 1000)).toEqual({ ok: true, value: null });
    });

    it("reads manifests and blobs, and refuses blobs that are larger than wanted", async () => {
      const found = await client.getManifest("base/busybox", "1");
      if (!found.ok || found.value === null) throw new Error(JSON.stringify(found));
      expect(await client.digest("base/busybox", "1")).toEqual({ ok: true, value: found.value.digest });
      const manifest = JSON.parse(found.value.bytes.toString("utf8")) as { config: { digest: string; size: number } };
      const blob = await client.getBlob("base/busybox", manifest.config.digest, manifest.config.size);
      expect(blob.ok && blob.value?.length).toBe(manifest.config.size);
      const large = await client.getBlob("base/busybox", manifest.config.digest, manifest.config.size - 1);
      expect(large.ok).toBe(false);
    });

    it("tells whether it may push, and leaves nothing behind by asking", async () => {
      const answer = await client.mayPush("acme/new");
      // A world may let its one account read only.
      if (world.pushes !== false) expect(answer).toEqual({ ok: true, value: true });
      else expect(answer).toMatchObject({ ok: false, retryable: false });
      expect(await client.digest("acme/new", "latest")).toEqual({ ok: true, value: null });
    });

    it("does not let a name or reference choose another path", async () => {
      for (const name of ["../v2/x", "a/../b", "a?b", "a#b", "/a", "A"]) {
        await expect(client.digest(name, "1")).rejects.toThrow("not a repository name");
      }
      for (const reference of ["../x", "a/b", "", "sha256:xyz", "-x"]) {
        await expect(client.digest("base/busybox", reference)).rejects.toThrow("not a reference");
      }
    });

    it("says in words that the password is wrong, without the password", async () => {
      if (world.username === null) return;
      const wrong = create({ url: world.url, username: world.username, password: "not-the-password" });
      for (const answer of [await wrong.check(), await wrong.digest("base/busybox", "1")]) {
        expect(answer).toMatchObject({ ok: false, retryable: false });
        expect(JSON.stringify(answer)).not.toContain("not-the-password");
      }
    });
  });
}
