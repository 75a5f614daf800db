/** Where secrets might be left behind, and whether they are. */
import { readdirSync, readFileSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface Shown {
  readonly place: string;
  readonly bytes: Buffer;
}

export interface Secret {
  readonly what: string;
  /** The text that must not be found. */
  readonly text: string;
}

/** Every command line on this machine, again and again until told to stop. */
export function watchCommandLines(): { stop(): Promise<string> } {
  let on = true;
  const seen = new Set<string>();
  async function watch(): Promise<void> {
    while (on) {
      for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
        try {
          seen.add(readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " "));
        } catch (error) {
          // Processes end while they are looked at.
          if (!/ENOENT|ESRCH/.test(String(error))) throw error;
        }
      }
      await sleep(5);
    }
  }
  const watching = watch();
  return {
    async stop() {
      on = false;
      await watching;
      return [...seen].join("\n");
    },
  };
}

/** Contents of every file below the folder, with its path. */
export async function contents(below: string): Promise<Shown[]> {
  const found: Shown[] = [];
  for (const name of await readdir(below, { recursive: true })) {
    const place = join(below, name);
    const kind = await stat(place).catch(() => null);
    if (kind?.isFile()) found.push({ place, bytes: await readFile(place) });
  }
  return found;
}

export function shownText(place: string, text: string): Shown {
  return { place, bytes: Buffer.from(text) };
}

/** What is found where, in words; empty: nothing. Throws for a secret that everything would hold. */
export function leaksIn(shown: readonly Shown[], secrets: readonly Secret[]): string[] {
  for (const { what, text } of secrets) if (text.length < 16) throw new Error(`${what} is too short to be looked for`);
  return shown.flatMap(({ place, bytes }) =>
    secrets.filter(({ text }) => bytes.includes(text)).map(({ what }) => `${what} in ${place}`),
  );
}
