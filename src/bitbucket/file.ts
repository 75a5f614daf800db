/** One file of a repository, in as few calls as can be. */
import { posix } from "node:path";
import { type HostId, type Outcome, ok, parseSha, type Sha } from "../core/model.ts";
import type { FetchedFile, Tip } from "../engine/ports.ts";
import type { BitbucketAccess } from "./access.ts";
import { entrySchema, listingSchema, refSchema } from "./answers.ts";
import { type ApiAnswer, type ApiRequest, apiPath, misshapen, refusal, repositorySegments } from "./api.ts";

/** A repository, and the way to it. */
export interface Place {
  readonly access: BitbucketAccess;
  readonly installation: HostId;
  readonly repository: HostId;
}

const MAX_FILE_BYTES = 1024 ** 2;

/** A link's content is a path: one line, without its end, and no longer than systems take. */
const MAX_LINK_LENGTH = 4_095;

type Entry = FetchedFile | { readonly kind: "link"; readonly target: string };

/** One call of Bitbucket's API about a repository. */
export function ask(place: Place, request: ApiRequest): Promise<Outcome<ApiAnswer>> {
  return place.access.call({ workspace: place.installation.id, repository: place.repository.id }, request);
}

/** Encoded path of something of a repository. */
export function placePath(place: Place, segments: readonly string[], query: Readonly<Record<string, string>> = {}) {
  return apiPath([...repositorySegments(place.installation, place.repository), ...segments], query);
}

/** The commit a branch or a tag points to; null: there is no such one. The other kind is not looked at. */
export async function readTip(place: Place, kind: "branches" | "tags", name: string): Promise<Outcome<Tip | null>> {
  const path = placePath(place, ["refs", kind, name], { fields: "name,target.hash,target.message,target.date" });
  const answer = await ask(place, { method: "GET", path });
  if (!answer.ok) return answer;
  if (answer.value.status === 404) return ok(null);
  if (answer.value.status !== 200) return refusal(answer.value);
  const result = refSchema.safeParse(answer.value.body);
  if (!result.success || result.data.name !== name) return misshapen(answer.value);
  const { hash, message, date } = result.data.target;
  const commit = parseSha(hash);
  const made = new Date(date ?? "");
  const committedAt = Number.isNaN(made.getTime()) ? null : made.toISOString();
  return commit === null ? misshapen(answer.value) : ok({ commit, message: message ?? "", committedAt });
}

/**
 * `path` at a commit: one call where it is a file. A link to a file of the same commit is followed once, as GitHub does
 * by itself, so that one repository is read alike on both. A commit that is known to be a branch's `tip` is there.
 */
export async function readFile(
  place: Place,
  sha: Sha,
  path: string,
  options: { readonly tip: boolean },
): Promise<Outcome<FetchedFile>> {
  if (!isPlain(path)) return ok(unreadable("its path is not a plain path inside the repository"));
  const entry = await readEntry(place, sha, path);
  if (!entry.ok) return entry;
  if (entry.value === null) return options.tip ? ok({ kind: "missing", hint: null }) : whyMissing(place, sha, path);
  if (entry.value.kind !== "link") return ok(entry.value);
  const target = posix.join(posix.dirname(path), entry.value.target);
  if (entry.value.target.startsWith("/") || !isPlain(target)) return ok(elsewhere);
  const linked = await readEntry(place, sha, target);
  if (!linked.ok) return linked;
  return ok(linked.value?.kind === "file" ? linked.value : elsewhere);
}

const elsewhere = unreadable("it is a symbolic link to something else than a file");

function unreadable(why: string): FetchedFile {
  return { kind: "unreadable", why };
}

/** Leads to something inside the repository, by one spelling only. */
export function isPlain(path: string): boolean {
  return path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

function entryPath(place: Place, sha: Sha, path: string, query: Readonly<Record<string, string>> = {}): string {
  return placePath(place, ["src", sha, ...path.split("/")], query);
}

/** Null: there is none. */
async function readEntry(place: Place, sha: Sha, path: string): Promise<Outcome<Entry | null>> {
  const answer = await ask(place, { method: "GET", path: entryPath(place, sha, path), maxBytes: MAX_FILE_BYTES });
  if (!answer.ok) return answer;
  const { status, bytes } = answer.value;
  if (status === 404) return ok(null);
  // Large files are elsewhere; what leads there is not followed.
  if (status === 301 || status === 302) return ok(unreadable("it is kept in Git LFS"));
  if (status !== 200) return refusal(answer.value);
  if (bytes === null) return ok(unreadable("it is larger than 1 MiB"));
  const text = decodeUtf8(bytes);
  if (text === null) return ok(unreadable("it is not UTF-8 text"));
  return mayBeOther(answer.value, text) ? readKind(place, sha, path, text) : ok({ kind: "file", text });
}

function decodeUtf8(bytes: Buffer): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // The one thing a fatal decoder throws for.
    return null;
  }
}

/**
 * Folders, links and submodules are answered like files: with a list, a path, a hash. Only a text that could be one of
 * these is asked about once more.
 */
function mayBeOther(answer: ApiAnswer, text: string): boolean {
  const isLine = text !== "" && text.length <= MAX_LINK_LENGTH && !text.includes("\n");
  return isLine || listingSchema.safeParse(answer.body).success;
}

async function readKind(place: Place, sha: Sha, path: string, text: string): Promise<Outcome<Entry>> {
  const answer = await ask(place, { method: "GET", path: entryPath(place, sha, path, { format: "meta" }) });
  if (!answer.ok) return answer;
  if (answer.value.status !== 200) return refusal(answer.value);
  const entry = entrySchema.safeParse(answer.value.body);
  if (!entry.success || entry.data.path !== path) return misshapen(answer.value);
  const attributes = entry.data.attributes ?? [];
  if (attributes.includes("link")) return ok({ kind: "link", target: text });
  if (attributes.includes("subrepository")) return ok(unreadable("it is a submodule"));
  if (entry.data.type === "commit_directory") return ok(unreadable("it is a folder"));
  return entry.data.type === "commit_file" ? ok({ kind: "file", text }) : misshapen(answer.value);
}

/**
 * A 404 may mean the file, the commit or the whole repository. The commit's root folder tells them apart, and names the
 * file somebody may have meant.
 */
async function whyMissing(place: Place, sha: Sha, path: string): Promise<Outcome<FetchedFile>> {
  // The root is named by the slash at the end.
  const root = placePath(place, ["src", sha, ""], { pagelen: "100", fields: "values.type,values.path" });
  const answer = await ask(place, { method: "GET", path: root });
  if (!answer.ok) return answer;
  if (answer.value.status === 404) return ok({ kind: "gone" });
  if (answer.value.status !== 200) return refusal(answer.value);
  const listing = listingSchema.safeParse(answer.value.body);
  if (!listing.success) return misshapen(answer.value);
  const files = listing.data.values.filter(({ type }) => type === "commit_file");
  return ok({ kind: "missing", hint: files.find((file) => plainName(file.path) === plainName(path))?.path ?? null });
}

/** `.Wharfinger.yaml`, `wharfinger.yml` and `.wharfinger.yml` are the same to a person. */
function plainName(name: string): string {
  return name
    .toLowerCase()
    .replace(/^\.+/, "")
    .replace(/\.yaml$/, ".yml");
}
