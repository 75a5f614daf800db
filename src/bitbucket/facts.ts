import type { RepositoryName } from "../core/events.ts";
import {
  type Account,
  type Change,
  failed,
  type HostId,
  type Outcome,
  ok,
  type PullRequest,
  type Repository,
  type Sha,
} from "../core/model.ts";
import type { Connection, GrantStore } from "../engine/grants-port.ts";
import type { BitbucketAccess } from "./access.ts";
import { diffstatSchema, repositoriesSchema, tagsSchema, workspaceSchema } from "./answers.ts";
import { type ApiAnswer, type ApiRequest, apiPath, misshapen, nextPage, refusal } from "./api.ts";
import { ask, type Place, placePath } from "./file.ts";
import type { Looker } from "./look.ts";

/** What Bitbucket lists at a time when it is not told otherwise; more is not known, rather than asked for page by page. */
const MAX_CHANGED_FILES = 500;

const MAX_TAG_PAGES = 10;

/** 100 repositories each. */
const MAX_REPOSITORY_PAGES = 500;

/** What still opens a workspace. */
export interface Grants {
  /** As it was spelled when it was granted. Null: nothing is left. */
  readonly account: Pick<Account, "login" | "kind"> | null;
  /** Something opens all its repositories. */
  readonly whole: boolean;
  /** Connections of one repository each. */
  readonly repositories: readonly NonNullable<Connection["repository"]>[];
}

export type GrantReader = Pick<GrantStore, "connectClientsOf" | "connectionsOf">;

export async function readGrants(store: GrantReader, workspace: string): Promise<Grants> {
  const [clients, connections] = await Promise.all([store.connectClientsOf(workspace), store.connectionsOf(workspace)]);
  const { login, kind } = clients[0] ?? connections[0] ?? {};
  return {
    account: login === undefined || kind === undefined ? null : { login, kind },
    whole: clients.length > 0 || connections.some(({ repository }) => repository === null),
    repositories: connections.flatMap(({ repository }) => repository ?? []),
  };
}

/** Where a branch is now; null: it is not there. */
export type TipReader = (branch: string) => Promise<Outcome<Sha | null>>;

/**
 * Paths that are different now. Bitbucket compares two states of the tree, so what a push took away would be seen, too;
 * yet after a force push nothing is known, as on GitHub, where it can not be: one repository is built alike on both.
 */
export async function readChangedPaths(
  place: Place,
  change: Change,
  { defaultBranch, tipOf }: { readonly defaultBranch: string | null; readonly tipOf: TipReader },
): Promise<Outcome<readonly string[] | null>> {
  const { before, commit } = change;
  if (change.kind === "tag" || commit === null || change.forced) return ok(null);
  if (change.kind === "pull_request") return pulledPaths(place, change.pull, commit, tipOf);
  if (before !== null) return compare(place, commit, before, { topic: false });
  if (defaultBranch === null || change.name === defaultBranch) return ok(null);
  const tip = await tipOf(defaultBranch);
  if (!tip.ok || tip.value === null) return tip.ok ? ok(null) : tip;
  // A new branch without commits of its own: nothing was built of it yet, so nothing can be unchanged.
  if (tip.value === commit) return ok(null);
  const paths = await compare(place, commit, tip.value, { topic: true });
  return paths.ok && paths.value?.length === 0 ? ok(null) : paths;
}

/**
 * Since it left its target. Two commits of one repository can be compared; whether the target's repository knows those of
 * a fork is not documented, so the pull request itself is asked, which is as it stands now.
 */
async function pulledPaths(
  place: Place,
  pull: PullRequest,
  commit: Sha,
  tipOf: TipReader,
): Promise<Outcome<readonly string[] | null>> {
  // Takes no parameters, and leads to a comparison as it is without any: 500 files, renames with both sides.
  if (pull.fork) return readPaths(place, placePath(place, ["pullrequests", String(pull.number), "diffstat"]));
  const tip = await tipOf(pull.target);
  if (!tip.ok || tip.value === null) return tip.ok ? ok(null) : tip;
  return compare(place, commit, tip.value, { topic: true });
}

/**
 * `commit` against `other`, in Bitbucket's order: it names the changed state first. With `topic` against where the two
 * parted, else against `other` itself.
 */
function compare(
  place: Place,
  commit: Sha,
  other: Sha,
  { topic }: { readonly topic: boolean },
): Promise<Outcome<readonly string[] | null>> {
  const path = placePath(place, ["diffstat", `${commit}..${other}`], {
    topic: String(topic),
    // Both paths are wanted anyway, and finding out which belong together is what takes long.
    renames: "false",
    pagelen: String(MAX_CHANGED_FILES),
    fields: "next,values.old.path,values.new.path",
  });
  return readPaths(place, path);
}

async function readPaths(place: Place, path: string): Promise<Outcome<readonly string[] | null>> {
  const answer = await ask(place, { method: "GET", path });
  if (!answer.ok) return answer;
  if (answer.value.status === 404) return ok(null);
  if (answer.value.status !== 200) return refusal(answer.value);
  const result = diffstatSchema.safeParse(answer.value.body);
  if (!result.success) return misshapen(answer.value);
  if (nextPage(answer.value) !== null) return ok(null);
  const paths = result.data.values.map((file) => [file.old?.path, file.new?.path].filter((side) => side !== undefined));
  // A changed file without a name would count as no change.
  if (paths.some((sides) => sides.length === 0)) return misshapen(answer.value);
  return ok([...new Set(paths.flat())]);
}

export async function readTags(place: Place): Promise<Outcome<readonly string[] | null>> {
  const tags: string[] = [];
  let page: ApiRequest | null = {
    method: "GET",
    path: placePath(place, ["refs", "tags"], { pagelen: "100", fields: "next,values.name" }),
  };
  for (let count = 0; page !== null; count += 1) {
    if (count === MAX_TAG_PAGES) return ok(null);
    const answer: Outcome<ApiAnswer> = await ask(place, page);
    if (!answer.ok) return answer;
    if (answer.value.status === 404) return ok(null);
    if (answer.value.status !== 200) return refusal(answer.value);
    const result = tagsSchema.safeParse(answer.value.body);
    if (!result.success) return misshapen(answer.value);
    tags.push(...result.data.values.map(({ name }) => name));
    page = nextPage(answer.value);
  }
  return ok(tags);
}

/** There is an installation as long as there is a grant, whatever Bitbucket lets this grant see of the workspace. */
export async function readInstallation(
  access: BitbucketAccess,
  store: GrantReader,
  id: HostId,
): Promise<Outcome<{ account: Account; state: "active"; permissions: Record<string, string> } | null>> {
  const { account: granted, whole } = await readGrants(store, id.id);
  if (granted === null) return ok(null);
  const asGranted = { account: { ...id, ...granted }, state: "active", permissions: {} } as const;
  // A repository's token does not open the workspace.
  if (!whole) return ok(asGranted);
  const path = apiPath(["workspaces", id.id]);
  const answer = await access.call({ workspace: id.id, repository: null }, { method: "GET", path });
  if (!answer.ok) return answer;
  if (answer.value.status === 403 || answer.value.status === 404) return ok(asGranted);
  if (answer.value.status !== 200) return refusal(answer.value);
  const result = workspaceSchema.safeParse(answer.value.body);
  if (!result.success || result.data.uuid !== id.id) return misshapen(answer.value);
  const { slug, is_personal: isPersonal } = result.data;
  const kind = typeof isPersonal === "boolean" ? (isPersonal ? "user" : "organization") : granted.kind;
  return ok({ account: { ...id, login: slug, kind }, state: "active", permissions: permissionsOf(answer.value) });
}

/** `account, repository:write` as permissions are kept: `{ account: "read", repository: "write" }`. */
function permissionsOf({ headers }: ApiAnswer): Record<string, string> {
  const scopes = (headers.get("x-oauth-scopes") ?? "")
    .split(/[\s,]+/)
    .filter((scope) => /^[a-z]+(?::[a-z]+)?$/.test(scope));
  // Of two levels the narrower is named without one, or comes first in the alphabet.
  const levels = scopes.sort().map((scope) => scope.split(":"));
  return Object.fromEntries(levels.map(([name, level]) => [name, level ?? "read"]));
}

/** All repositories that what is granted opens: the union of the grants. */
export async function readRepositories(
  access: BitbucketAccess,
  store: GrantReader,
  looker: Looker,
  id: HostId,
): Promise<Outcome<readonly RepositoryName[]>> {
  const { whole, repositories } = await readGrants(store, id.id);
  return whole ? listRepositories(access, id) : lookAtEach(looker, id, repositories);
}

async function lookAtEach(
  looker: Looker,
  id: HostId,
  granted: Grants["repositories"],
): Promise<Outcome<readonly RepositoryName[]>> {
  const found = new Map<string, RepositoryName>();
  for (const { id: uuid, fullName } of granted) {
    const looked = await looker.look(id, { ...id, id: uuid, fullName, private: true });
    if (!looked.ok) return looked;
    if (looked.value !== null) found.set(uuid, nameOf(looked.value.repository));
  }
  return ok([...found.values()]);
}

function nameOf({ provider, host, id, fullName, private: isPrivate }: Repository): RepositoryName {
  return { provider, host, id, fullName, private: isPrivate };
}

async function listRepositories(access: BitbucketAccess, id: HostId): Promise<Outcome<readonly RepositoryName[]>> {
  const names: RepositoryName[] = [];
  const fields = "next,values.uuid,values.full_name,values.is_private,values.workspace.uuid";
  let page: ApiRequest | null = { method: "GET", path: apiPath(["repositories", id.id], { pagelen: "100", fields }) };
  for (let count = 0; page !== null; count += 1) {
    // The list decides which repositories stay linked: an incomplete one is worse than none.
    if (count === MAX_REPOSITORY_PAGES) {
      return failed("The workspace has more repositories than can be listed.", { retryable: false });
    }
    const answer: Outcome<ApiAnswer> = await access.call({ workspace: id.id, repository: null }, page);
    if (!answer.ok) return answer;
    if (answer.value.status !== 200) return refusal(answer.value);
    const result = repositoriesSchema.safeParse(answer.value.body);
    if (!result.success) return misshapen(answer.value);
    if (result.data.values.some(({ workspace }) => workspace.uuid !== id.id)) return misshapen(answer.value);
    names.push(
      ...result.data.values.map((item) => ({
        ...id,
        id: item.uuid,
        fullName: item.full_name,
        private: item.is_private,
      })),
    );
    page = nextPage(answer.value);
  }
  return ok(names);
}
