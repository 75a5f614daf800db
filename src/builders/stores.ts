import { createHash } from "node:crypto";
import { chmod, chown, mkdir, readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";

/**
 * One folder per cache scope (repository and trust, for strangers also pull request), so that no build ever sees layers, cache mounts or image names of
 * another repository: `root` (layers), `home`, `tmp` (cache mounts lie in it).
 */
export interface Stores {
  /**
   * Runs `work` with the folder of the scope. Several may run at once. When the last of them ends, and one said that it
   * may have left something behind, the folder is cleaned before anyone may use it again.
   */
  use<T>(cacheScope: string, work: (folder: string, spoiled: () => void) => Promise<T>): Promise<T>;
}

interface Use {
  users: number;
  spoiled: boolean;
  /** Resolves when the folder may be used. */
  ready: Promise<void>;
}

export function createStores(options: {
  readonly folder: string;
  /** Owner of everything below. */
  readonly owner: number;
  /** Folders that are kept although nobody uses them, the ones used last; left out: all. */
  readonly keep?: number;
  /** Removes working containers that a killed build left; no build uses the folder meanwhile. */
  readonly clean: (folder: string) => Promise<void>;
}): Stores {
  const uses = new Map<string, Use>();
  const removals = new Map<string, Promise<void>>();
  let room: Promise<void> = Promise.resolve();

  async function tidy(folder: string): Promise<void> {
    await options.clean(folder);
    const tmp = join(folder, "tmp");
    for (const name of await readdir(tmp)) {
      // buildah's working folders; `buildah-cache` holds the cache mounts and stays.
      if (/^(?:buildah|storage|container_images_)[^-]*\d+$/.test(name))
        await rm(join(tmp, name), { recursive: true, force: true });
    }
  }

  async function removeOldest(keep: number): Promise<void> {
    const names = await readdir(options.folder);
    const found = await Promise.all(
      names.map(async (name) => ({ name, usedAt: (await stat(join(options.folder, name))).mtimeMs })),
    );
    for (const { name } of found.sort((one, other) => other.usedAt - one.usedAt).slice(keep)) {
      const use = uses.get(name);
      if (use !== undefined && use.users > 0) continue;
      uses.delete(name);
      // It may be tidied still. Whoever wants it meanwhile waits, and makes it anew.
      const idle = use?.ready.catch(() => undefined) ?? Promise.resolve();
      const removal = idle.then(() => rm(join(options.folder, name), { recursive: true, force: true, maxRetries: 3 }));
      removals.set(name, removal);
      await removal.finally(() => removals.delete(name));
    }
  }

  /** One at a time: two would remove the same folders. */
  function makeRoom(): Promise<void> {
    const { keep } = options;
    if (keep !== undefined) room = room.catch(() => undefined).then(() => removeOldest(keep));
    return room;
  }

  async function prepare(name: string): Promise<void> {
    await removals.get(name);
    const folder = join(options.folder, name);
    const isNew = (await mkdir(folder, { recursive: true, mode: 0o711 })) !== undefined;
    for (const part of ["", "root", "home", "tmp"]) {
      await mkdir(join(folder, part), { recursive: true, mode: 0o700 });
      await chmod(join(folder, part), part === "" ? 0o711 : 0o700);
      await chown(join(folder, part), options.owner, options.owner);
    }
    // An earlier run of this program may have been killed in the middle of a build.
    if (isNew) await makeRoom();
    else await tidy(folder);
  }

  return {
    async use(cacheScope, work) {
      const name = createHash("sha256").update(cacheScope).digest("hex").slice(0, 32);
      const folder = join(options.folder, name);
      let use = uses.get(name);
      if (use === undefined) {
        use = { users: 0, spoiled: false, ready: prepare(name) };
        uses.set(name, use);
      }
      const mine = use;
      mine.users++;
      try {
        await mine.ready;
        const now = new Date();
        await utimes(folder, now, now);
        return await work(folder, () => {
          mine.spoiled = true;
        });
      } finally {
        mine.users--;
        if (mine.users === 0 && mine.spoiled) {
          mine.spoiled = false;
          mine.ready = tidy(folder);
        }
        const usable = await mine.ready.then(
          () => true,
          () => false,
        );
        // Forgotten, the next build prepares the folder anew, and fails with the reason if that fails again.
        if (!usable && uses.get(name) === mine) uses.delete(name);
      }
    },
  };
}
