/** Listing a whole repository: "REST API endpoints for Git trees". */
import { listRefs, resolveCommit } from "../git/git.ts";
import { allTreeItems, type TreeItem, treeItem, treeItems } from "../git/git-read.ts";
import type { JsonObject } from "../json.ts";
import {
  type ApiAnswer,
  type ApiRequest,
  apiPath,
  type OperationHandler,
  repositoryFor,
  type World,
} from "./operation.ts";
import { Refusal } from "./refusal.ts";

export const TREE_OPERATIONS: Readonly<Record<string, OperationHandler>> = {
  "GET /repos/{owner}/{repo}/git/trees/{tree_sha}": { identity: "installation", handle: tree },
};

/** `tree_sha` may be the name of a branch or tag, or a commit's hash. A tree's own is not known here. */
async function tree(world: World, request: ApiRequest): Promise<ApiAnswer> {
  const { state } = world;
  const repository = repositoryFor(world, request, "contents", "read");
  const { gitDir } = repository;
  const commit = await resolveCommit(gitDir, request.params["tree_sha"] ?? "");
  if (commit === null) {
    if ((await listRefs(gitDir)).length === 0) throw new Refusal(409, "Git Repository is empty.");
    throw new Refusal(404);
  }
  const root = await treeItem(gitDir, commit, "");
  if (root === null) throw new Error("a commit without a tree");
  const git = `${state.apiUrl}${apiPath(repository)}/git`;
  // Whatever its value is, 0 and false included.
  const items = request.query.has("recursive") ? await allTreeItems(gitDir, commit) : await treeItems(gitDir, root);
  return {
    status: 200,
    body: {
      sha: root.sha,
      url: `${git}/trees/${root.sha}`,
      tree: items.slice(0, state.longestTree).map((item) => entry(git, item)),
      truncated: items.length > state.longestTree,
    },
  };
}

/** Only files have a size, and a submodule's commit is no object of this repository. */
function entry(git: string, { path, mode, type, sha, size }: TreeItem): JsonObject {
  const known = { path, mode, type, sha };
  if (type === "commit") return known;
  return type === "tree" ? { ...known, url: `${git}/trees/${sha}` } : { ...known, size, url: `${git}/blobs/${sha}` };
}
