import type { z } from "zod";
import type { RepositoryName } from "../core/events.ts";
import {
  type Account,
  type Change,
  failed,
  type HostId,
  type Outcome,
  ok,
  type PullRequestChange,
  type RefChange,
  type Repository,
  type Sha,
} from "../core/model.ts";
import type { FetchedFile } from "../engine/ports.ts";
import type { GithubAccess } from "./access.ts";
import { type ApiAnswer, type ApiRequest, apiPath, misshapen, nextPage, refusal, repositorySegments } from "./api.ts";
import {
  compareSchema,
  contentSchema,
  errorSchema,
  installationRepositoriesAnswerSchema,
  installationSchema,
  listingSchema,
  refsSchema,
} from "./payloads.ts";
import type { TokenScope } from "./tokens.ts";
import { toAccount, toRepositoryName } from "./words.ts";

/** Reading only, and exactly these repositories; also what a clone gets. */
export function readScope(
  installation: HostId,
  repository: Pick<HostId, "id">,
  further: readonly Pick<HostId, "id">[] = [],
): TokenScope {
  const repositoryIds = [...new Set([repository, ...further].map(({ id }) => id))];
  return { installationId: installation.id, repositoryIds, permissions: { contents: "read" } };
}

/** GitHub lists at most this many files of a comparison; a list this long may have been cut. */
const MAX_COMPARED_FILES = 300;

const MAX_TAG_PAGES = 10;

/** 100 repositories each; more than GitHub lets one account have. */
const MAX_REPOSITORY_PAGES = 1_000;

export async function readFile(
  access: GithubAccess,
  installation: HostId,
  repository: Repository,
  at: Sha | { readonly branch: string },
  path: string,
): Promise<Outcome<FetchedFile>> {
  const segments = path.split("/");
  if (segments.some((part) => part === "" || part === "." || part === "..")) {
    return ok({ kind: "unreadable", why: "its path is not a plain path inside the repository" });
  }
  const scope = readScope(installation, repository);
  // The whole name: GitHub would take a tag of the branch's name, which anybody who may push can make.
  const ref = typeof at === "string" ? at : `refs/heads/${at.branch}`;
  const answer = await access.asInstallation(scope, contents(repository, ref, segments));
  if (!answer.ok) return answer;
  if (answer.value.status === 404) {
    return typeof at === "string"
      ? whyMissing(access, scope, repository, at, path)
      : ok({ kind: "missing", hint: null });
  }
  if (answer.value.status === 403 && isTooLarge(answer.value)) return ok(tooLarge);
  if (answer.value.status !== 200) return refusal(answer.value);
  return fileOf(answer.value);
}

function contents(repository: Repository, ref: string, segments: readonly string[]): ApiRequest {
  return {
    method: "GET",
    path: apiPath([...repositorySegments(repository), "contents", ...segments], { ref }),
  };
}

const tooLarge: FetchedFile = { kind: "unreadable", why: "it is larger than 1 MiB" };

function fileOf(answer: ApiAnswer): Outcome<FetchedFile> {
  if (Array.isArray(answer.body)) return ok({ kind: "unreadable", why: "it is a folder" });
  const result = contentSchema.safeParse(answer.body);
  if (!result.success) return misshapen(answer);
  const { type, encoding, content } = result.data;
  // GitHub itself follows a link to a file of the same commit; one that is still a link leads elsewhere.
  if (type === "symlink") return ok({ kind: "unreadable", why: "it is a symbolic link to something else than a file" });
  if (type !== "file") return ok({ kind: "unreadable", why: `it is a ${type}` });
  if (encoding !== "base64" || typeof content !== "string") return ok(tooLarge);
  const text = decodeUtf8(Buffer.from(content, "base64"));
  return ok(text === null ? { kind: "unreadable", why: "it is not UTF-8 text" } : { kind: "file", text });
}

function decodeUtf8(bytes: Buffer): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // The one thing a fatal decoder throws for.
    return null;
  }
}

function isTooLarge(answer: ApiAnswer): boolean {
  const error = errorSchema.safeParse(answer.body);
  return error.success && (error.data.errors ?? []).some((item) => item.code === "too_large");
}

/**
 * A 404 may mean the file, the commit or the whole repository. The commit's root folder tells them apart, and names the
 * file somebody may have meant.
 */
async function whyMissing(
  access: GithubAccess,
  scope: TokenScope,
  repository: Repository,
  sha: string,
  path: string,
): Promise<Outcome<FetchedFile>> {
  const answer = await access.asInstallation(scope, contents(repository, sha, []));
  if (!answer.ok) return answer;
  if (answer.value.status === 404) return ok({ kind: "gone" });
  if (answer.value.status !== 200) return refusal(answer.value);
  const listing = listingSchema.safeParse(answer.value.body);
  if (!listing.success) return misshapen(answer.value);
  const similar = listing.data.find((item) => item.type === "file" && plainName(item.name) === plainName(path));
  return ok({ kind: "missing", hint: similar?.name ?? null });
}

/** `.Wharfinger.yaml`, `wharfinger.yml` and `.wharfinger.yml` are the same to a person. */
function plainName(name: string): string {
  return name
    .toLowerCase()
    .replace(/^\.+/, "")
    .replace(/\.yaml$/, ".yml");
}

/**
 * Paths between two commits. Null, not known, wherever the comparison does not answer the question "what is different
 * in the image now": it starts at the merge base, so after a force push it would hide what the push took away.
 */
export async function readChangedPaths(
  access: GithubAccess,
  installation: HostId,
  repository: Repository,
  change: Change,
): Promise<Outcome<readonly string[] | null>> {
  const question = change.kind === "pull_request" ? sinceTarget(change) : sincePush(change, repository);
  if (question === null || change.commit === null) return ok(null);
  const { base, telling } = question;
  const answer = await access.asInstallation(readScope(installation, repository), {
    method: "GET",
    // The files come with the first page whatever its size; the size is that of the commits, which nobody reads.
    path: apiPath([...repositorySegments(repository), "compare", `${base}...${change.commit}`], { per_page: "1" }),
  });
  if (!answer.ok) return answer;
  if (answer.value.status === 404) return ok(null);
  if (answer.value.status !== 200) return refusal(answer.value);
  const result = compareSchema.safeParse(answer.value.body);
  if (!result.success) return misshapen(answer.value);
  const { status, files } = result.data;
  if (!files || files.length >= MAX_COMPARED_FILES || !telling.includes(status)) return ok(null);
  return ok([...new Set(files.flatMap(pathsOf))]);
}

/** What git writes where only the commit of a submodule changes: lines of contents that there are not. */
const SUBMODULE_PATCH = /^@@ [-+,\d ]{1,60} @@(?:\n[-+]Subproject commit (?:[0-9a-f]{40}|[0-9a-f]{64})){1,2}\n?$/;

/** A `/` at its end marks the pointer of a submodule: a folder to those who write patterns. */
function pathsOf({ filename, previous_filename, patch }: ComparedFile): readonly string[] {
  const mark = SUBMODULE_PATCH.test(patch ?? "") ? "/" : "";
  return [filename + mark, (previous_filename ?? filename) + mark];
}

type ComparedFile = NonNullable<z.infer<typeof compareSchema>["files"]>[number];

/** What to compare with, and GitHub's words for how the two may stand. */
interface Question {
  readonly base: string;
  readonly telling: readonly string[];
}

/** A pull request is what it has of its own since it left its target, wherever that went: forced or not. */
function sinceTarget({ pull }: PullRequestChange): Question {
  return { base: pull.targetCommit ?? pull.target, telling: ["ahead", "diverged", "identical"] };
}

function sincePush(change: RefChange, { defaultBranch }: Repository): Question | null {
  if (change.kind === "tag") return null;
  if (change.before !== null) return { base: change.before, telling: ["ahead", "identical"] };
  if (defaultBranch === null || change.name === defaultBranch) return null;
  // A new branch without commits of its own: nothing was built of it yet, so nothing can be unchanged.
  return { base: defaultBranch, telling: ["ahead", "diverged"] };
}

export async function readTags(
  access: GithubAccess,
  installation: HostId,
  repository: Repository,
): Promise<Outcome<readonly string[] | null>> {
  const tags: string[] = [];
  let page: ApiRequest | null = {
    method: "GET",
    path: apiPath([...repositorySegments(repository), "git", "matching-refs", "tags"]),
  };
  for (let count = 0; page !== null; count += 1) {
    if (count === MAX_TAG_PAGES) return ok(null);
    const answer: Outcome<ApiAnswer> = await access.asInstallation(readScope(installation, repository), page);
    if (!answer.ok) return answer;
    // 409: a repository without commits.
    if (answer.value.status === 404 || answer.value.status === 409) return ok(null);
    if (answer.value.status !== 200) return refusal(answer.value);
    const refs = refsSchema.safeParse(answer.value.body);
    if (!refs.success) return misshapen(answer.value);
    for (const { ref } of refs.data) if (ref.startsWith("refs/tags/")) tags.push(ref.slice("refs/tags/".length));
    page = nextPage(answer.value);
  }
  return ok(tags);
}

export async function readInstallation(
  access: GithubAccess,
  id: HostId,
): Promise<Outcome<{ account: Account; state: "active" | "suspended"; permissions: Record<string, string> } | null>> {
  const answer = await access.asApp({ method: "GET", path: apiPath(["app", "installations", id.id]) });
  if (!answer.ok) return answer;
  if (answer.value.status === 404) return ok(null);
  if (answer.value.status !== 200) return refusal(answer.value);
  const result = installationSchema.safeParse(answer.value.body);
  if (!result.success) return misshapen(answer.value);
  return ok({
    account: toAccount(result.data.account, access),
    state: result.data.suspended_at ? "suspended" : "active",
    permissions: result.data.permissions ?? {},
  });
}

export async function readRepositories(access: GithubAccess, id: HostId): Promise<Outcome<readonly RepositoryName[]>> {
  const scope: TokenScope = { installationId: id.id, repositoryIds: "all", permissions: { metadata: "read" } };
  const repositories: RepositoryName[] = [];
  let page: ApiRequest | null = {
    method: "GET",
    path: apiPath(["installation", "repositories"], { per_page: "100" }),
  };
  for (let count = 0; page !== null; count += 1) {
    // The list decides which repositories stay linked: an incomplete one is worse than none.
    if (count === MAX_REPOSITORY_PAGES) {
      return failed("The installation covers more repositories than can be listed.", { retryable: false });
    }
    const answer: Outcome<ApiAnswer> = await access.asInstallation(scope, page);
    if (!answer.ok) return answer;
    if (answer.value.status !== 200) return refusal(answer.value);
    const result = installationRepositoriesAnswerSchema.safeParse(answer.value.body);
    if (!result.success) return misshapen(answer.value);
    repositories.push(...result.data.repositories.map((item) => toRepositoryName(item, access)));
    page = nextPage(answer.value);
  }
  return ok(repositories);
}
