/** Operations that read a repository, out of the real repository on disk. */
import { git, listRefs, readRef, resolveCommit } from "../git/git.ts";
import {
  changedFiles,
  compare,
  EMPTY_TREE,
  readBlob,
  readCommit,
  submoduleUrl,
  type TreeItem,
  treeItem,
  treeItems,
} from "../git/git-read.ts";
import type { JsonObject } from "../json.ts";
import {
  type ApiAnswer,
  type ApiRequest,
  apiPath,
  installationToken,
  type OperationHandler,
  paginate,
  repositoryFor,
  type World,
} from "./operation.ts";
import { pullShape } from "./pull-shapes.ts";
import { testMerge } from "./pulls.ts";
import { Refusal } from "./refusal.ts";
import { commitShape, fileShape, fullRepositoryShape, gitCommitShape } from "./shapes.ts";
import { nodeId, type RepositoryState, type State } from "./state.ts";
import { reaches } from "./tokens.ts";

/** Bytes up to which `contents` sends a file along. */
const LARGEST_INLINE = 1024 * 1024;
/** Bytes over which it does not even name it. */
const LARGEST_FILE = 100 * 1024 * 1024;
/** Files a comparison or a commit lists. */
const MOST_FILES = 300;

export const GIT_OPERATIONS: Readonly<Record<string, OperationHandler>> = {
  "GET /repos/{owner}/{repo}": {
    identity: "installation",
    async handle(world, request) {
      const repository = repositoryFor(world, request, "metadata", "read");
      return { status: 200, body: fullRepositoryShape(world.state, repository) };
    },
  },
  "GET /repos/{owner}/{repo}/contents/{path}": { identity: "installation", handle: contents },
  "GET /repos/{owner}/{repo}/compare/{basehead}": { identity: "installation", handle: comparison },
  "GET /repos/{owner}/{repo}/commits/{ref}": { identity: "installation", handle: oneCommit },

  "GET /repos/{owner}/{repo}/git/commits/{commit_sha}": {
    identity: "installation",
    async handle(world, request) {
      const repository = repositoryFor(world, request, "contents", "read");
      const { gitDir } = repository;
      const sha = request.params["commit_sha"] ?? "";
      if ((await listRefs(gitDir)).length === 0) throw new Refusal(409, "Git Repository is empty.");
      // Commits only, and by their whole hash: also such as no branch leads to.
      if (!/^[0-9a-f]{40}$/.test(sha) || (await resolveCommit(gitDir, sha)) !== sha) throw new Refusal(404);
      const body = gitCommitShape(world.state, repository, await readCommit(gitDir, sha));
      return { status: 200, body };
    },
  },

  "GET /repos/{owner}/{repo}/git/matching-refs/{ref}": {
    identity: "installation",
    async handle(world, request) {
      const { state } = world;
      const repository = repositoryFor(world, request, "contents", "read");
      const refs = await listRefs(repository.gitDir);
      if (refs.length === 0) throw new Refusal(409, "Git Repository is empty.");
      const matching = refs.filter(({ ref }) => ref.startsWith(`refs/${request.params["ref"] ?? ""}`));
      const api = `${state.apiUrl}${apiPath(repository)}/git`;
      const body = matching.map(({ ref, sha, type }) => ({
        ref,
        node_id: nodeId("REF", repository.id) + Buffer.from(ref).toString("base64url"),
        url: `${api}/${ref}`,
        object: { sha, type, url: `${api}/${type}s/${sha}` },
      }));
      return { status: 200, body };
    },
  },

  "GET /repos/{owner}/{repo}/pulls/{pull_number}": {
    identity: "installation",
    async handle(world, request) {
      const { state } = world;
      const repository = repositoryFor(world, request, "pull_requests", "read");
      const number = Number(request.params["pull_number"]);
      const pull = state.pulls.find((item) => item.repository === repository && item.number === number);
      if (pull === undefined) throw new Refusal(404);
      const body = await pullShape(state, pull);
      // Asking is what sets off the test merge; this answer does not know it yet.
      if (body["mergeable"] === null) await testMerge(state, pull);
      return { status: 200, body };
    },
  },
};

async function contents(world: World, request: ApiRequest): Promise<ApiAnswer> {
  const { state } = world;
  const repository = repositoryFor(world, request, "contents", "read");
  const ref = request.query.get("ref");
  const commit = await resolveCommit(repository.gitDir, ref ?? repository.defaultBranch);
  if (commit === null) {
    throw new Refusal(404, ref === null ? "This repository is empty." : `No commit found for the ref ${ref}`);
  }
  const path = (request.params["path"] ?? "").replace(/\/$/, "");
  const item = await treeItem(repository.gitDir, commit, path);
  if (item === null) throw new Refusal(404);
  const place = { repository, commit, ref: ref ?? repository.defaultBranch };
  if (item.type !== "tree") return { status: 200, body: await entry(state, place, item) };
  const listed = await treeItems(repository.gitDir, item);
  const entries = await Promise.all(listed.map((child) => folderEntry(state, place, child)));
  if (!request.headers.accept?.includes("object")) return { status: 200, body: entries };
  return { status: 200, body: { ...links(state, place, item, "dir"), type: "dir", entries } };
}

interface Place {
  readonly repository: RepositoryState;
  readonly commit: string;
  readonly ref: string;
}

/** What all kinds of entries have. `kind`: the word in GitHub's git addresses. */
function links(state: State, { repository, ref }: Place, item: TreeItem, kind: "file" | "dir"): JsonObject {
  const path = item.path.split("/").map(encodeURIComponent).join("/");
  const url = `${state.apiUrl}${apiPath(repository)}/contents/${path}?ref=${encodeURIComponent(ref)}`;
  const gitUrl = `${state.apiUrl}${apiPath(repository)}/git/${kind === "dir" ? "trees" : "blobs"}/${item.sha}`;
  const html = `${repository.webUrl}/${kind === "dir" ? "tree" : "blob"}/${encodeURIComponent(ref)}/${path}`;
  return {
    name: item.path.split("/").at(-1) ?? "",
    path: item.path,
    sha: item.sha,
    size: item.size,
    url,
    html_url: html,
    git_url: gitUrl,
    download_url: kind === "dir" ? null : `${repository.webUrl}/raw/${encodeURIComponent(ref)}/${path}`,
    _links: { self: url, git: gitUrl, html },
  };
}

async function folderEntry(state: State, place: Place, item: TreeItem): Promise<JsonObject> {
  // In a folder's list the API calls submodules files, for old times' sake.
  if (item.type === "commit") return { ...links(state, place, item, "file"), type: "file" };
  if (item.type === "tree") return { ...links(state, place, item, "dir"), type: "dir" };
  return { ...links(state, place, item, "file"), type: item.mode === "120000" ? "symlink" : "file" };
}

/** A file, symlink or submodule asked for by its path. */
async function entry(state: State, place: Place, item: TreeItem): Promise<JsonObject> {
  const { gitDir } = place.repository;
  if (item.type === "commit") {
    const address = await submoduleUrl(gitDir, place.commit, item.path);
    return { ...links(state, place, item, "file"), type: "submodule", submodule_git_url: address ?? "" };
  }
  if (item.mode !== "120000") return file(state, place, item);
  const target = (await readBlob(gitDir, item.sha)).toString("utf8");
  // A link to a file of the repository is followed; any other is shown as what it is.
  const followed = await treeItem(gitDir, place.commit, linkedPath(item.path, target) ?? "");
  if (followed?.type === "blob" && followed.mode !== "120000")
    return file(state, place, { ...followed, path: item.path });
  return { ...links(state, place, item, "file"), type: "symlink", target };
}

/** Where a relative link leads inside the repository; null: out of it. */
function linkedPath(from: string, target: string): string | null {
  if (target.startsWith("/")) return null;
  const parts = from.split("/").slice(0, -1);
  for (const part of target.split("/")) {
    if (part === "..") {
      if (parts.pop() === undefined) return null;
    } else if (part !== "." && part !== "") parts.push(part);
  }
  return parts.join("/");
}

async function file(state: State, place: Place, item: TreeItem): Promise<JsonObject> {
  if (item.size > LARGEST_FILE) {
    throw new Refusal(403, "This API returns blobs up to 100 MB in size.", {
      errors: [{ resource: "Blob", field: "data", code: "too_large" }],
    });
  }
  const shape = { ...links(state, place, item, "file"), type: "file" };
  if (item.size > LARGEST_INLINE) return { ...shape, content: "", encoding: "none" };
  const bytes = await readBlob(place.repository.gitDir, item.sha);
  // Base64 in lines of 60, as GitHub breaks it.
  return { ...shape, content: bytes.toString("base64").replaceAll(/.{1,60}/g, "$&\n"), encoding: "base64" };
}

async function comparison(world: World, request: ApiRequest): Promise<ApiAnswer> {
  const { state } = world;
  const repository = repositoryFor(world, request, "contents", "read");
  const basehead = request.params["basehead"] ?? "";
  const [base = "", head = "", ...more] = basehead.split("...");
  if (base === "" || head === "" || more.length > 0) throw new Refusal(404);
  const [from, to] = [await sideOf(world, request, repository, base), await sideOf(world, request, repository, head)];
  const found = await compare(repository.gitDir, from, to);
  if (found === "missing") throw new Refusal(404);
  if (found === "unrelated") throw new Refusal(404, `No common ancestor between ${base} and ${head}.`);
  const { ahead, behind } = found;
  const status = ahead === 0 ? (behind === 0 ? "identical" : "behind") : behind === 0 ? "ahead" : "diverged";
  const size = Number(request.query.get("per_page") ?? 250);
  const number = Number(request.query.get("page") ?? 1);
  const { headers } = paginate(state, request, found.commits);
  const shape = async (sha: string) => commitShape(state, repository, await readCommit(repository.gitDir, sha));
  const url = `${state.apiUrl}${apiPath(repository)}/compare/${encodeURIComponent(basehead)}`;
  const html = `${repository.webUrl}/compare/${encodeURIComponent(basehead)}`;
  const body = {
    url,
    html_url: html,
    permalink_url: `${repository.webUrl}/compare/${found.base.slice(0, 7)}...${found.head.slice(0, 7)}`,
    diff_url: `${html}.diff`,
    patch_url: `${html}.patch`,
    base_commit: await shape(found.base),
    merge_base_commit: await shape(found.mergeBase),
    status,
    ahead_by: ahead,
    behind_by: behind,
    total_commits: ahead,
    commits: found.commits
      .slice((number - 1) * size, number * size)
      .map((commit) => commitShape(state, repository, commit)),
    // Files come with the first page only.
    files:
      number === 1
        ? found.files.slice(0, MOST_FILES).map((item) => fileShape(state, repository, found.head, item))
        : [],
  };
  return { status: 200, body, headers: request.query.has("per_page") || request.query.has("page") ? headers : {} };
}

/** `owner:branch` is a branch of another repository of the same network, if the token may see that; else `name` itself. */
async function sideOf(
  { state }: World,
  request: ApiRequest,
  repository: RepositoryState,
  name: string,
): Promise<string> {
  const [owner = "", branch] = name.split(":");
  if (branch === undefined) return name;
  const other = state.repositories.find(
    (item) => item.owner.login.toLowerCase() === owner.toLowerCase() && rootOf(item) === rootOf(repository),
  );
  if (other === undefined || (other.private && !reaches(installationToken(request), other))) throw new Refusal(404);
  const sha = await readRef(other.gitDir, `refs/heads/${branch}`);
  if (sha === null) throw new Refusal(404);
  await git(repository.gitDir, ["fetch", "--quiet", other.gitDir, `refs/heads/${branch}`]);
  return sha;
}

/** What a network of forks began with. */
function rootOf(repository: RepositoryState): RepositoryState {
  return repository.parent === null ? repository : rootOf(repository.parent);
}

async function oneCommit(world: World, request: ApiRequest): Promise<ApiAnswer> {
  const { state } = world;
  const repository = repositoryFor(world, request, "contents", "read");
  const { gitDir } = repository;
  const ref = request.params["ref"] ?? "";
  const sha = await resolveCommit(gitDir, ref);
  if (sha === null) {
    if ((await listRefs(gitDir)).length === 0) throw new Refusal(409, "Git Repository is empty.");
    throw new Refusal(422, `No commit found for SHA: ${ref}`);
  }
  const commit = await readCommit(gitDir, sha);
  const files = await changedFiles(gitDir, commit.parents[0] ?? EMPTY_TREE, sha);
  const additions = files.reduce((sum, item) => sum + item.additions, 0);
  const deletions = files.reduce((sum, item) => sum + item.deletions, 0);
  return {
    status: 200,
    body: {
      ...commitShape(state, repository, commit),
      stats: { total: additions + deletions, additions, deletions },
      files: files.slice(0, MOST_FILES).map((item) => fileShape(state, repository, sha, item)),
    },
  };
}
