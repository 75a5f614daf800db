/** Operations on files, folders and differences. */
import { createHash } from "node:crypto";
import { extname } from "node:path";
import { resolveCommit, runGit } from "../git/git.ts";
import {
  changedFiles,
  EMPTY_TREE,
  type FileChange,
  readBlob,
  readCommit,
  type TreeItem,
  treeItem,
  treeItems,
} from "../git/git-read.ts";
import type { JsonObject } from "../json.ts";
import { LONGEST_DIFFSTAT_PAGE } from "./conformance.ts";
import {
  type ApiAnswer,
  type ApiRequest,
  commitFor,
  type OperationHandler,
  paginate,
  repositoryFor,
  type World,
} from "./operation.ts";
import { commitLinks, link } from "./payload-shapes.ts";
import { Refusal } from "./refusal.ts";
import type { RepositoryState, State } from "./state.ts";

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".json": "application/json",
  ".md": "text/markdown",
  ".txt": "text/plain",
  ".yaml": "text/yaml",
  ".yml": "text/yaml",
};

async function getSource(world: World, request: ApiRequest): Promise<ApiAnswer> {
  const repository = repositoryFor(world, request);
  const { commit = "", path: asked = "" } = request.params;
  const sha = await commitFor(repository, commit, true);
  if (asked === "" && !new URL(request.path, world.state.apiUrl).pathname.endsWith("/")) {
    throw new Refusal(404, "The root folder's address ends in a slash");
  }
  const path = asked.replace(/\/$/, "");
  const item = await treeItem(repository.gitDir, sha, path);
  if (item === null || (asked.endsWith("/") && item.type !== "tree")) {
    throw new Refusal(404, `No such file or directory: ${path}`);
  }
  if (request.query.get("format") === "rendered") throw new Refusal(400, "Rendered files are not served here");
  if (request.query.get("format") === "meta") {
    return { status: 200, body: await entryShape(world.state, repository, sha, item) };
  }
  return item.type === "tree" ? listFolder(world, request, repository, sha, item) : rawFile(repository, item);
}

async function rawFile({ gitDir }: RepositoryState, item: TreeItem): Promise<ApiAnswer> {
  const content = item.type === "commit" ? Buffer.from(item.sha) : await readBlob(gitDir, item.sha);
  const name = item.path.slice(item.path.lastIndexOf("/") + 1);
  return {
    status: 200,
    body: content,
    headers: {
      "content-type": CONTENT_TYPES[extname(name)] ?? "application/octet-stream",
      "content-disposition": `attachment; filename="${name.replaceAll('"', "")}"`,
      etag: `"${createHash("sha1").update(item.mode).update(content).digest("hex")}"`,
    },
  };
}

/** Level by level; pages have no numbers. */
async function listFolder(
  world: World,
  request: ApiRequest,
  repository: RepositoryState,
  sha: string,
  folder: TreeItem,
): Promise<ApiAnswer> {
  const depth = Number(request.query.get("max_depth") ?? 1);
  const found: TreeItem[] = [];
  let level: readonly TreeItem[] = [folder];
  for (let below = 0; below < depth && level.length > 0; below += 1) {
    const inside = await Promise.all(level.map((item) => treeItems(repository.gitDir, item)));
    found.push(...inside.flat());
    level = inside.flat().filter((item) => item.type === "tree");
  }
  const isBinary = binaryCheck(repository.gitDir);
  const entries = await Promise.all(found.map((item) => entryShape(world.state, repository, sha, item, isBinary)));
  return { status: 200, body: paginate(world, request, entries, { sized: false, opaque: true }) };
}

async function entryShape(
  state: State,
  repository: RepositoryState,
  sha: string,
  item: TreeItem,
  isBinary = binaryCheck(repository.gitDir),
): Promise<JsonObject> {
  const api = `${state.apiUrl}/2.0/repositories/${repository.fullName}/src/${sha}/${escapedPath(item.path)}`;
  const self = item.type === "tree" ? `${api}/` : api;
  const about = {
    path: item.path,
    commit: { type: "commit", hash: sha, links: commitLinks(state, repository, sha) },
    links: { self: link(self), meta: link(`${self}?format=meta`) },
  };
  if (item.type === "tree") return { type: "commit_directory", ...about };
  const attributes = await attributesOf(item, isBinary);
  return { type: "commit_file", ...about, escaped_path: escapedPath(item.path), size: item.size, attributes };
}

type BinaryCheck = (blob: string) => Promise<boolean>;

async function attributesOf(item: TreeItem, isBinary: BinaryCheck): Promise<readonly string[]> {
  if (item.type === "commit") return ["subrepository"];
  if (item.mode === "120000") return ["link"];
  return [...(item.mode === "100755" ? ["executable"] : []), ...((await isBinary(item.sha)) ? ["binary"] : [])];
}

/** Reads each blob once: folders may hold hundreds of the same. */
function binaryCheck(gitDir: string): BinaryCheck {
  const known = new Map<string, Promise<boolean>>();
  return (blob) => {
    const found = known.get(blob) ?? readBlob(gitDir, blob).then((content) => content.subarray(0, 8000).includes(0));
    known.set(blob, found);
    return found;
  };
}

function escapedPath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

async function getDiffstat(world: World, request: ApiRequest): Promise<ApiAnswer> {
  const repository = repositoryFor(world, request);
  const { query } = request;
  const { from, to } = await sides(repository, request);
  const found = await changedFiles(repository.gitDir, from, to);
  const changes = query.get("renames") === "false" ? found.flatMap(apart) : found;
  const wanted = query.getAll("path");
  const within = (path: string | null) =>
    path !== null && wanted.some((one) => path === one || path.startsWith(`${one.replace(/\/$/, "")}/`));
  const kept = changes.filter((change) => wanted.length === 0 || within(change.path) || within(change.previous));
  const entries = kept.map((change) => changeShape(world.state, repository, { from, to }, change));
  const paging = { pagelen: LONGEST_DIFFSTAT_PAGE, longest: LONGEST_DIFFSTAT_PAGE };
  return { status: 200, body: paginate(world, request, entries, paging) };
}

/** `workspace/fork:new`, a carriage return, `old`: what a pull request's differences are found by. */
const ACROSS = /^[\w.-]+\/[\w.-]+:([0-9a-f]{7,40})\r([0-9a-f]{7,40})$/;

/**
 * A spec is one commit, against its first parent, or `new..old`: the other way round than git has it. Unless `topic` (or
 * the older `merge`) says false, `old` is the commit both have in common.
 */
async function sides(
  repository: RepositoryState,
  { params, query }: ApiRequest,
): Promise<{ readonly from: string; readonly to: string }> {
  const { gitDir } = repository;
  const across = ACROSS.exec(params["spec"] ?? "");
  if (across !== null) return pulledSides(repository, across);
  const [newer = "", older, ...more] = (params["spec"] ?? "").split("..");
  if (more.length > 0 || newer === "" || older === "") throw new Refusal(404, `Invalid spec: ${params["spec"]}`);
  const to = await commitFor(repository, newer, true);
  if (older === undefined) return { from: (await readCommit(gitDir, to)).parents[0] ?? EMPTY_TREE, to };
  const from = await commitFor(repository, older, true);
  if (query.has("topic") && query.has("merge")) throw new Refusal(400, "topic and merge can not be used together");
  if ((query.get("topic") ?? query.get("merge")) === "false") return { from, to };
  return { from: await mergeBase(gitDir, from, to), to };
}

async function pulledSides(repository: RepositoryState, [, newer = "", older = ""]: RegExpExecArray) {
  const { gitDir } = repository;
  const to = await resolveCommit(gitDir, newer);
  if (to === null) throw new Refusal(404, `Commit not found: ${newer}`);
  return { from: await mergeBase(gitDir, await commitFor(repository, older), to), to };
}

async function mergeBase(gitDir: string, one: string, other: string): Promise<string> {
  const { code, stdout } = await runGit(gitDir, ["merge-base", one, other]);
  return code === 0 ? stdout.toString("ascii").trim() : EMPTY_TREE;
}

/** A rename as somebody sees it who does not look for renames. */
function apart(change: FileChange): readonly FileChange[] {
  if (change.previous === null) return [change];
  return [
    { ...change, status: "removed", path: change.previous, previous: null },
    { ...change, status: "added", previous: null },
  ];
}

function changeShape(
  state: State,
  { fullName }: RepositoryState,
  { from, to }: { readonly from: string; readonly to: string },
  change: FileChange,
): JsonObject {
  const side = (sha: string, path: string) => ({
    type: "commit_file",
    path,
    escaped_path: escapedPath(path),
    links: { self: link(`${state.apiUrl}/2.0/repositories/${fullName}/src/${sha}/${escapedPath(path)}`) },
  });
  return {
    type: "diffstat",
    status: change.status === "changed" ? "modified" : change.status,
    lines_added: change.additions,
    lines_removed: change.deletions,
    old: change.status === "added" ? null : side(from, change.previous ?? change.path),
    new: change.status === "removed" ? null : side(to, change.path),
  };
}

export const SOURCE_OPERATIONS: Readonly<Record<string, OperationHandler>> = {
  "GET /repositories/{workspace}/{repo_slug}/src/{commit}/{path}": { anonymous: true, handle: getSource },
  "GET /repositories/{workspace}/{repo_slug}/diffstat/{spec}": { anonymous: true, handle: getDiffstat },
};
