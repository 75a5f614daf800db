/** Operations on branches, tags and commits, and on pull requests. */
import { listRefs } from "../git/git.ts";
import { readCommit, readCommits } from "../git/git-read.ts";
import { type JsonObject, objectAt } from "../json.ts";
import { type ApiRequest, commitFor, type OperationHandler, paginate, repositoryFor, type World } from "./operation.ts";
import { diffstatLink, pullShape, refShape } from "./payloads.ts";
import { Refusal } from "./refusal.ts";
import { apiCommit } from "./shapes.ts";
import type { PullState, RepositoryState, State } from "./state.ts";

const BASE = "/repositories/{workspace}/{repo_slug}";

async function allRefs(
  state: State,
  repository: RepositoryState,
  kind: "branch" | "tag",
): Promise<readonly JsonObject[]> {
  const prefix = kind === "branch" ? "refs/heads/" : "refs/tags/";
  const found = (await listRefs(repository.gitDir)).filter(({ ref }) => ref.startsWith(prefix));
  return Promise.all(
    found.map(async ({ ref, sha }) => {
      const shape = await refShape(state, repository, { kind, name: ref.slice(prefix.length) }, sha);
      // Payloads have an empty committer; here there is none.
      const { committer: _, ...target } = objectAt(shape, "target");
      return { ...shape, target };
    }),
  );
}

function listOf(kind: "branch" | "tag") {
  return async (world: World, request: ApiRequest) => {
    const refs = await allRefs(world.state, repositoryFor(world, request), kind);
    return { status: 200, body: paginate(world, request, refs) };
  };
}

function oneOf(kind: "branch" | "tag") {
  return async (world: World, request: ApiRequest) => {
    const name = request.params["name"] ?? "";
    const refs = await allRefs(world.state, repositoryFor(world, request), kind);
    const found = refs.find((ref) => ref["name"] === name);
    if (found === undefined) throw new Refusal(404, `Ref "${name}" not found`);
    return { status: 200, body: found };
  };
}

async function getCommit(world: World, request: ApiRequest) {
  const repository = repositoryFor(world, request);
  const sha = await commitFor(repository, request.params["commit"] ?? "");
  const body = apiCommit(world.state, repository, await readCommit(repository.gitDir, sha));
  // Of its repository more than the names is given when it is asked for.
  const { private: isPrivate } = repository;
  return {
    status: 200,
    body,
    full: { ...body, repository: { ...objectAt(body, "repository"), is_private: isPrivate } },
  };
}

async function listCommits(world: World, request: ApiRequest) {
  const repository = repositoryFor(world, request);
  const { revision } = request.params;
  const from = revision === undefined ? ["--all"] : [await commitFor(repository, revision, true)];
  const commits = await readCommits(repository.gitDir, from);
  const shapes = commits.map((commit) => apiCommit(world.state, repository, commit));
  return { status: 200, body: paginate(world, request, shapes, { pagelen: 30, sized: false }) };
}

async function getPull(world: World, request: ApiRequest) {
  const pull = findPull(repositoryFor(world, request), request);
  return { status: 200, body: pullShape(world.state, pull) };
}

function findPull({ pulls }: RepositoryState, { params }: ApiRequest): PullState {
  const found = pulls.find((item) => String(item.id) === params["pull_request_id"]);
  if (found === undefined) throw new Refusal(404, "Pull request not found");
  return found;
}

/** The differences are at an address of their own, which may name a commit of a fork. */
async function getPullDiffstat(world: World, request: ApiRequest) {
  const repository = repositoryFor(world, request);
  const pull = findPull(repository, request);
  const location = diffstatLink(world.state, pull);
  return { status: 302, headers: { location } };
}

/** Open ones, unless `state` says which. */
async function listPulls(world: World, request: ApiRequest) {
  const repository = repositoryFor(world, request);
  const states = request.query.getAll("state");
  const pulls = repository.pulls.filter(({ state }) => (states.length === 0 ? ["OPEN"] : states).includes(state));
  const shapes = pulls.map((pull) => pullShape(world.state, pull));
  return { status: 200, body: paginate(world, request, shapes, { longest: 50 }) };
}

export const GIT_OPERATIONS: Readonly<Record<string, OperationHandler>> = {
  [`GET ${BASE}/refs/branches`]: { anonymous: true, handle: listOf("branch") },
  [`GET ${BASE}/refs/branches/{name}`]: { anonymous: true, handle: oneOf("branch") },
  [`GET ${BASE}/refs/tags`]: { anonymous: true, handle: listOf("tag") },
  [`GET ${BASE}/refs/tags/{name}`]: { anonymous: true, handle: oneOf("tag") },
  [`GET ${BASE}/commit/{commit}`]: { anonymous: true, handle: getCommit },
  [`GET ${BASE}/commits`]: { anonymous: true, handle: listCommits },
  [`GET ${BASE}/commits/{revision}`]: { anonymous: true, handle: listCommits },
  [`GET ${BASE}/pullrequests`]: { anonymous: true, handle: listPulls },
  [`GET ${BASE}/pullrequests/{pull_request_id}`]: { anonymous: true, handle: getPull },
  [`GET ${BASE}/pullrequests/{pull_request_id}/diffstat`]: { anonymous: true, handle: getPullDiffstat },
};
