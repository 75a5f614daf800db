/** Where branches and tags are: what `Host.tip` promises, on the stand-in of each. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { type HostId, ok, type Repository } from "../../src/core/model.ts";
import type { Host } from "../../src/engine/ports.ts";
import { createTagObject, git, writeRef } from "../hosts/git/git.ts";

export interface TipsScene {
  readonly port: Host;
  readonly installation: HostId;
  readonly repository: Repository;
  /** The bare repository on disk. */
  readonly gitDir: string;
  commit(branch: string, file: string, message?: string): Promise<{ readonly sha: string }>;
  /** Repository of the same installation without a commit. */
  readonly empty: Repository;
  /** The account takes back all it granted. */
  uninstall(): Promise<unknown>;
  close(): Promise<void>;
}

export function tipsContract(name: string, open: () => Promise<TipsScene>): void {
  describe(`tips on ${name}`, () => {
    let scene: TipsScene;
    beforeEach(async () => {
      scene = await open();
    });
    afterEach(() => scene.close());

    const tipOf = (ref: string, of = scene.repository) => scene.port.tip(scene.installation, of, ref);

    async function committedAt(sha: string): Promise<string> {
      const date = await git(scene.gitDir, ["show", "--no-patch", "--format=%cI", sha]);
      return new Date(date.toString("utf8").trim()).toISOString();
    }

    it("are those of this moment, each with the message and time of its commit", async () => {
      const first = await scene.commit("main", "a", "Do it [skip ci]\n\nBecause ü.");
      expect(await tipOf("refs/heads/main")).toEqual(
        ok({
          commit: first.sha,
          message: "Do it [skip ci]\n\nBecause ü.",
          committedAt: await committedAt(first.sha),
        }),
      );
      const second = await scene.commit("main", "b", "Do more");
      expect(await tipOf("refs/heads/main")).toMatchObject(ok({ commit: second.sha, message: "Do more" }));
    });

    it("are found by names with anything in them", async () => {
      await scene.commit("main", "a");
      const { sha } = await scene.commit("feature/ü&#=%2F/x", "b");
      expect(await tipOf("refs/heads/feature/ü&#=%2F/x")).toMatchObject(ok({ commit: sha }));
    });

    it("of tags are commits, also where the tag is an object of its own", async () => {
      const { sha } = await scene.commit("main", "a", "one");
      await writeRef(scene.gitDir, "refs/tags/v1.0.0", sha);
      const object = await createTagObject(scene.gitDir, { name: "v2.0.0", sha, message: "two", author: ANN, at: 0 });
      await writeRef(scene.gitDir, "refs/tags/v2.0.0", object);
      for (const ref of ["refs/tags/v1.0.0", "refs/tags/v2.0.0"]) {
        // Not what the tag itself says.
        expect(await tipOf(ref)).toMatchObject(ok({ commit: sha, message: "one" }));
      }
    });

    it("of a branch are never those of a tag that is called like it, nor the other way round", async () => {
      const [first, second] = [await scene.commit("main", "a"), await scene.commit("main", "b")];
      for (const tag of ["main", "heads/main", "other", "heads/other"]) {
        await writeRef(scene.gitDir, `refs/tags/${tag}`, first.sha);
      }
      expect(await tipOf("refs/heads/main")).toMatchObject(ok({ commit: second.sha }));
      expect(await tipOf("refs/tags/main")).toMatchObject(ok({ commit: first.sha }));
      expect(await tipOf("refs/heads/other")).toEqual(ok(null));
    });

    it("are none of what is not there, of a hash, and of other refs", async () => {
      const { sha } = await scene.commit("main", "a");
      await writeRef(scene.gitDir, "refs/notes/commits", sha);
      for (const ref of ["refs/heads/gone", "refs/tags/gone", `refs/heads/${sha}`]) {
        expect([ref, await tipOf(ref)]).toEqual([ref, ok(null)]);
      }
      expect(await tipOf("refs/heads/main", scene.empty)).toEqual(ok(null));
    });

    it("are not told once the app is gone", async () => {
      await scene.commit("main", "a");
      await scene.uninstall();
      const answer = await tipOf("refs/heads/main");
      expect(answer.ok && answer.value !== null).toBe(false);
    });
  });
}

const ANN = { name: "Ann", email: "ann@example.com" };
