/**
 * `repositories:` of the file: other repositories of the same installation that a build may read. The file only wishes; an
 * owner allows, for one repository to read another one. Names are looked up when a build is planned, and from then on ids
 * count.
 */
import type { Repository, WantedRepository } from "./model.ts";
import { CONFIG_FILE } from "./repo-config/config.ts";

/** A repository the installation covers now. */
export interface CoveredRepository {
  readonly id: string;
  readonly fullName: string;
  /** An owner lets builds of the repository in question read it. */
  readonly allowed: boolean;
}

/** One that a build may read. */
export interface FurtherRepository {
  readonly id: string;
  readonly fullName: string;
  /** Address for git, without credentials. */
  readonly cloneUrl: string;
}

export type FurtherRefusal = "unknown" | "not-covered" | "renamed" | "not-allowed";

/** Hosts know no two repositories whose names differ in the case of letters only. */
export function isSameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/**
 * What names without an id stand for now; each repository once, and never the built one itself, which is read anyway.
 * What stood for an id keeps it: the name may be another one's by now.
 */
export function resolveNames(
  wanted: readonly WantedRepository[],
  covered: readonly CoveredRepository[],
  built: Pick<Repository, "id">,
): readonly WantedRepository[] {
  const resolved = new Map<string, WantedRepository>();
  for (const one of wanted) {
    const found = one.id === null ? named(one.name, covered) : null;
    if (found?.id === built.id) continue;
    resolved.set(one.name.toLowerCase(), found === null ? one : { name: found.fullName, id: found.id });
  }
  return [...resolved.values()];
}

/** Null also where two are called so: an event of a rename is still on its way, and either could be meant. */
function named(name: string, covered: readonly CoveredRepository[]): CoveredRepository | null {
  const [found, ...others] = covered.filter(({ fullName }) => isSameName(fullName, name));
  return found !== undefined && others.length === 0 ? found : null;
}

export type FurtherVerdict =
  | { readonly ok: true; readonly repositories: readonly FurtherRepository[] }
  | {
      readonly ok: false;
      readonly refusals: readonly { readonly name: string; readonly reason: FurtherRefusal }[];
      /** For people: what is refused, and what to do. */
      readonly message: string;
    };

/** Whether a build may read all that it was planned with. `covered`: looked up by the ids of `wanted`. */
export function judgeWanted(
  wanted: readonly WantedRepository[],
  covered: readonly CoveredRepository[],
  built: Pick<Repository, "fullName" | "cloneUrl">,
): FurtherVerdict {
  const refusals = wanted.flatMap(({ name, id }) => {
    const reason = refusalOf(name, id, covered);
    return reason === null ? [] : [{ name, reason }];
  });
  if (refusals.length === 0) return { ok: true, repositories: plannedRepositories(wanted, built) };
  const message = refusals.map(({ name, reason }) => SENTENCES[reason](name, built.fullName)).join(" ");
  return { ok: false, refusals, message };
}

function refusalOf(name: string, id: string | null, covered: readonly CoveredRepository[]): FurtherRefusal | null {
  if (id === null) return "unknown";
  const found = covered.find((one) => one.id === id);
  if (found === undefined) return "not-covered";
  // Somebody else may be called so by now.
  if (!isSameName(found.fullName, name)) return "renamed";
  return found.allowed ? null : "not-allowed";
}

const SENTENCES: Readonly<Record<FurtherRefusal, (name: string, built: string) => string>> = {
  unknown: (name) =>
    `\`repositories\` in ${CONFIG_FILE} names ${name}, and the installation covers no such repository: add it to the ` +
    "installation, or correct the name, and build again. What everybody may read need not be listed.",
  "not-covered": (name) =>
    `\`repositories\` in ${CONFIG_FILE} names ${name}, which the installation does not cover any more: add it again, or ` +
    "take it out of the file.",
  renamed: (name) => `${name} of \`repositories\` in ${CONFIG_FILE} has another name by now: write that one.`,
  "not-allowed": (name, built) =>
    `Builds of ${built} may not read ${name}: an owner has to allow it first ` +
    `(\`wharfinger access allow ${built} ${name}\`), then build again.`,
};

/** Those that were known when the build was planned, with the addresses they had. */
export function plannedRepositories(
  wanted: readonly WantedRepository[],
  { cloneUrl }: Pick<Repository, "cloneUrl">,
): readonly FurtherRepository[] {
  return wanted.flatMap(({ name, id }) =>
    id === null ? [] : [{ id, fullName: name, cloneUrl: new URL(`/${name}.git`, cloneUrl).href }],
  );
}

/** Name of the build secret with what opens the repositories, for git inside of RUN. */
export const GIT_CREDENTIALS = "git-credentials";

/**
 * Lines as git's credential store has them. Once with the ending and once without: with `credential.useHttpPath` git
 * compares paths as they are written.
 */
export function gitCredentials(opened: {
  readonly cloneUrl: string;
  readonly credential: { readonly username: string; readonly password: string };
}): string {
  const url = new URL(opened.cloneUrl);
  const { username, password } = opened.credential;
  const who = `${encodeURIComponent(username)}:${encodeURIComponent(password)}`;
  const path = url.pathname.replace(/\.git$/, "");
  return ["", ".git"].map((ending) => `${url.protocol}//${who}@${url.host}${path}${ending}\n`).join("");
}
