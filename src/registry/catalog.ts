/** What a registry says it has. https://distribution.github.io/distribution/spec/api/#listing-repositories */
import { type Outcome, ok } from "../core/model.ts";
import type { Registry } from "../engine/ports.ts";
import type { Session } from "./session.ts";

/** Of one page. Registries may allow fewer than they promise by default, which is 1,000. */
const PAGE = 100;
const MAX_PAGES = 100;
const MAX_BYTES = 1024 ** 2;
/** Registries of many customers list nobody's repositories, each in its own words. */
const NO_CATALOG: readonly number[] = [400, 401, 403, 404, 405, 501];

export function createCatalog(session: Session): Pick<Registry, "occupied"> {
  return {
    async occupied(namespace) {
      let path: string | null = `/v2/_catalog?${new URLSearchParams({ n: String(PAGE), last: namespace })}`;
      const seen: string[] = [];
      for (let pages = 0; path !== null; pages += 1) {
        if (pages === MAX_PAGES) return ok(null);
        const read: Outcome<CatalogPage | null> = await readPage(session, path);
        if (!read.ok || read.value === null) return read.ok ? ok(null) : read;
        seen.push(...read.value.names);
        if (seen.some((name) => name.startsWith(`${namespace}/`))) return ok(true);
        if (!isInOrder(seen)) return ok(null);
        // In either order everything that begins with the namespace's name stands together.
        if (seen.some((name) => name > namespace && !name.startsWith(namespace))) return ok(false);
        path = read.value.next;
      }
      return ok(false);
    },
  };
}

interface CatalogPage {
  readonly names: readonly string[];
  /** Path and query of the next one; null: this is the last. */
  readonly next: string | null;
}

/** Null: the registry has no catalog, or none for us, or it is none that can be read. */
async function readPage(session: Session, path: string): Promise<Outcome<CatalogPage | null>> {
  const asked = await session.ask({ method: "GET", path, scopes: ["registry:catalog:*"], maxBytes: MAX_BYTES });
  if (!asked.ok) return asked;
  const { value: answer } = asked;
  if (NO_CATALOG.includes(answer.status)) return ok(null);
  if (!answer.ok) return session.refusal(answer);
  const names = parseNames(answer.bytes);
  const link = answer.headers.get("link");
  if (names === null) return ok(null);
  if (link === null) return ok({ names, next: null });
  const [, address] = /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(link) ?? [];
  const next = session.pathOf(address ?? null);
  return ok(next === null ? null : { names, next });
}

function parseNames(bytes: Buffer): readonly string[] | null {
  try {
    const { repositories } = JSON.parse(bytes.toString("utf8"));
    return Array.isArray(repositories) && repositories.every((name) => typeof name === "string") ? repositories : null;
  } catch {
    // Something that is not a registry may answer 200 to everything.
    return null;
  }
}

/** Byte by byte, or with `/` before everything else, as registries that walk through folders have it. */
function isInOrder(names: readonly string[]): boolean {
  return isAscending(names) || isAscending(names.map((name) => name.replaceAll("/", "\0")));
}

function isAscending(names: readonly string[]): boolean {
  return names.every((name, index) => index === 0 || (names[index - 1] ?? "") <= name);
}
