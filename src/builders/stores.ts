import { createHash } from "node:crypto";
import { chmod, chown, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

/**
 * One folder per cache scope (repository and trust), so that no build ever sees layers, cache mounts or image names of
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
  /** Removes working containers that a killed build left; no build uses the folder meanwhile. */
  readonly clean: (folder: string) => Promise<void>;
}): Stores {
  const uses = new Map<string, Use>();

  async function tidy(folder: string): Promise<void> {
    await options.clean(folder);
    const tmp = join(folder, "tmp");
    for (const name of await readdir(tmp)) {
      // buildah's working folders; `buildah-cache` holds the cache mounts and stays.
      if (/^(?:buildah|storage|container_images_)[^-]*\d+$/.test(name))
        await rm(join(tmp, name), { recursive: true, force: true });
    }
  }

  async function prepare(folder: string): Promise<void> {
    const isNew = (await mkdir(folder, { recursive: true, mode: 0o711 })) !== undefined;
    for (const part of ["", "root", "home", "tmp"]) {
      await mkdir(join(folder, part), { recursive: true, mode: 0o700 });
      await chmod(join(folder, part), part === "" ? 0o711 : 0o700);
      await chown(join(folder, part), options.owner, options.owner);
    }
    // An earlier run of this program may have been killed in the middle of a build.
    if (!isNew) await tidy(folder);
  }

  return {
    async use(cacheScope, work) {
      const name = createHash("sha256").update(cacheScope).digest("hex").slice(0, 32);
      const folder = join(options.folder, name);
      let use = uses.get(name);
      if (use === undefined) {
        use = { users: 0, spoiled: false, ready: prepare(folder) };
        uses.set(name, use);
      }
      const mine = use;
      mine.users++;
      try {
        await mine.ready;
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
