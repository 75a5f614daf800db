import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { createStores } from "../../src/builders/stores.ts";

describe("stores", () => {
  let folder: string;
  let cleaned: string[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "wharfinger-stores-"));
    cleaned = [];
  });
  afterEach(() => rm(folder, { recursive: true }));

  function stores(clean: () => Promise<void> = async () => undefined) {
    return createStores({
      folder,
      owner: 200_000,
      async clean(scope) {
        cleaned.push(scope);
        await clean();
      },
    });
  }

  it("give every scope a folder of its own, whatever its name", async () => {
    const all = stores();
    const names = ["github-default-1-trusted", "github-default-1-untrusted", "../../etc", "a/b", ""];
    const places = await Promise.all(names.map((name) => all.use(name, async (place) => place)));
    expect(new Set(places).size).toBe(names.length);
    for (const place of places) expect(place.startsWith(`${folder}/`) && !place.includes("..")).toBe(true);
    expect(await all.use("a/b", async (place) => place)).toBe(places[3]);
    expect(cleaned).toEqual([]);
  });

  it("clean a folder when the last build of those that shared it has ended, not before", async () => {
    const all = stores();
    const other = deferred();
    const first = all.use("s", async () => await other.promise);
    await all.use("s", async (_, spoiled) => spoiled());
    expect(cleaned.length).toBe(0);
    other.resolve();
    await first;
    expect(cleaned.length).toBe(1);
    await all.use("s", async () => undefined);
    expect(cleaned.length).toBe(1);
  });

  it("let nobody in while they clean", async () => {
    const cleaning = deferred();
    const all = stores(() => cleaning.promise);
    const events: string[] = [];
    const first = all.use("s", async (_, spoiled) => spoiled());
    while (cleaned.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const second = all.use("s", async () => void events.push("in"));
    await new Promise((resolve) => setImmediate(resolve));
    events.push("cleaned");
    cleaning.resolve();
    await Promise.all([first, second]);
    expect(events).toEqual(["cleaned", "in"]);
  });

  it("clean what an earlier run of the program left, but keep cache mounts", async () => {
    const place = await stores().use("s", async (scope) => scope);
    await mkdir(join(place, "tmp/buildah123456"));
    await mkdir(join(place, "tmp/buildah-cache"));
    await writeFile(join(place, "tmp/storage987"), "x");
    await stores().use("s", async () => undefined);
    expect(cleaned).toEqual([place]);
    expect(await readdir(join(place, "tmp"))).toEqual(["buildah-cache"]);
  });

  it("are cleaned although the build threw, and the error is the build's", async () => {
    const all = stores();
    const build = all.use("s", async (_, spoiled) => {
      spoiled();
      throw new Error("the build's");
    });
    await expect(build).rejects.toThrow("the build's");
    expect(cleaned.length).toBe(1);
  });

  describe("that keep only some", () => {
    const few = () =>
      createStores({
        folder,
        owner: 200_000,
        keep: 2,
        async clean(scope) {
          cleaned.push(scope);
        },
      });
    /** Names of scopes whose folder is there. */
    async function kept(places: ReadonlyMap<string, string>): Promise<string[]> {
      const there = await readdir(folder);
      return [...places].filter(([, place]) => there.includes(basename(place))).map(([name]) => name);
    }

    it("remove those that were used longest ago, with all that is in them, when there is a new one", async () => {
      const all = few();
      const places = new Map<string, string>();
      for (const name of ["a", "b", "a", "c"]) {
        await all.use(name, async (place) => {
          places.set(name, place);
          await writeFile(join(place, "tmp/mine"), name);
        });
        // Times of files are no finer than this on some file systems.
        await setTimeout(20);
      }
      expect(await kept(places)).toEqual(["a", "c"]);
      await all.use("b", async (place) => expect(await readdir(join(place, "tmp"))).toEqual([]));
      expect(await kept(places)).toEqual(["b", "c"]);
    });

    it("count those of an earlier run of the program", async () => {
      const places = new Map<string, string>();
      for (const name of ["a", "b", "c"]) {
        await few().use(name, async (place) => void places.set(name, place));
        await setTimeout(20);
      }
      expect(await kept(places)).toEqual(["b", "c"]);
    });

    it("never remove one that is in use", async () => {
      const all = few();
      const places = new Map<string, string>();
      const ends = [deferred(), deferred(), deferred()];
      const uses = ["a", "b", "c"].map((name, index) =>
        all.use(name, async (place) => {
          places.set(name, place);
          await ends[index]?.promise;
          expect(await readdir(place)).toContain("root");
        }),
      );
      while (places.size < 3) await new Promise((resolve) => setImmediate(resolve));
      await all.use("d", async (place) => void places.set("d", place));
      expect(await kept(places)).toEqual(expect.arrayContaining(["a", "b", "c"]));
      for (const end of ends) end.resolve();
      await Promise.all(uses);
    });

    // Whoever comes early keeps the folder from being removed; whoever comes late waits for that, and gets a new one.
    it.each([0, 1, 5, 20, 200])(
      "disturb nobody who comes while a folder is removed (after %i ms)",
      async (milliseconds) => {
        const cleaning = deferred();
        const all = createStores({
          folder,
          owner: 200_000,
          keep: 1,
          async clean(scope) {
            cleaned.push(scope);
            await cleaning.promise;
          },
        });
        const first = all.use("a", async (place, spoiled) => {
          await writeFile(join(place, "tmp/mine"), "a");
          spoiled();
        });
        while (cleaned.length === 0) await new Promise((resolve) => setImmediate(resolve));
        // It is to go, and is tidied still, when somebody wants it again.
        const other = all.use("b", async () => undefined);
        await setTimeout(milliseconds);
        const again = all.use("a", async (place) => {
          expect([[], ["mine"]]).toContainEqual(await readdir(join(place, "tmp")));
          await writeFile(join(place, "tmp/mine"), "again");
          await other;
          for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
          expect(await readFile(join(place, "tmp/mine"), "utf8")).toBe("again");
        });
        cleaning.resolve();
        await Promise.all([first, other, again]);
        expect(cleaned.length).toBe(1);
      },
    );
  });

  it("try again when a folder could not be cleaned", async () => {
    let fail = true;
    const all = stores(async () => {
      if (fail) throw new Error("busy");
    });
    expect(await all.use("s", async (_, spoiled) => void spoiled())).toBeUndefined();
    await expect(all.use("s", async () => "used")).rejects.toThrow("busy");
    fail = false;
    expect(await all.use("s", async () => "used")).toBe("used");
  });
});

function deferred(): { readonly promise: Promise<void>; resolve(): void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
