/** Check runs. Each write makes the webhook that GitHub sends to the very app that wrote. */

import { listRefs, resolveCommit } from "../git/git.ts";
import { isObject, type JsonObject, listAt, textAt } from "../json.ts";
import type { HostAnnotation, HostCheckAction } from "./contract.ts";
import {
  type ApiAnswer,
  type ApiRequest,
  type OperationHandler,
  paginate,
  repositoryFor,
  type World,
} from "./operation.ts";
import { checkRunPayload } from "./payloads.ts";
import { Refusal } from "./refusal.ts";
import { checkRunShape } from "./shapes.ts";
import { type CheckRunState, type RepositoryState, type Suite, timestamp } from "./state.ts";

const HEADS = "refs/heads/";

export const CHECK_OPERATIONS: Readonly<Record<string, OperationHandler>> = {
  "POST /repos/{owner}/{repo}/check-runs": { identity: "installation", handle: create },
  "PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}": { identity: "installation", handle: update },

  "GET /repos/{owner}/{repo}/check-runs/{check_run_id}": {
    identity: "installation",
    async handle(world, request) {
      const repository = repositoryFor(world, request, "checks", "read");
      return { status: 200, body: checkRunShape(world.state, findRun(world, repository, request)) };
    },
  },

  "GET /repos/{owner}/{repo}/commits/{ref}/check-runs": { identity: "installation", handle: list },
};

async function create(world: World, request: ApiRequest): Promise<ApiAnswer> {
  const { state } = world;
  const repository = repositoryFor(world, request, "checks", "write");
  const body = isObject(request.body) ? request.body : {};
  const sha = textAt(body, "head_sha") ?? "";
  if ((await resolveCommit(repository.gitDir, sha)) !== sha) throw new Refusal(422, `No commit found for SHA: ${sha}`);
  const run: CheckRunState = {
    id: state.nextId(),
    name: textAt(body, "name") ?? "",
    headSha: sha,
    repository,
    externalId: null,
    detailsUrl: "http://127.0.0.1/",
    status: "queued",
    conclusion: null,
    startedAt: timestamp(state.now()),
    completedAt: null,
    output: { title: null, summary: null, text: null, annotations: [] },
    actions: [],
    suite: await suiteFor(world, repository, sha),
    writes: 0,
  };
  apply(run, body, timestamp(state.now()));
  state.checkRuns.push(run);
  echo(world, repository, run, "created");
  if (run.status === "completed") echo(world, repository, run, "completed");
  return { status: 201, body: checkRunShape(state, run) };
}

async function update(world: World, request: ApiRequest): Promise<ApiAnswer> {
  const repository = repositoryFor(world, request, "checks", "write");
  const run = findRun(world, repository, request);
  const before = run.status;
  apply(run, isObject(request.body) ? request.body : {}, timestamp(world.state.now()));
  if (run.status === "completed" && before !== "completed") echo(world, repository, run, "completed");
  return { status: 200, body: checkRunShape(world.state, run) };
}

/** The app's check suite of a commit; made when new. */
async function suiteFor({ state }: World, repository: RepositoryState, sha: string): Promise<Suite> {
  const key = `${repository.id}:${sha}`;
  const heads = (await listRefs(repository.gitDir)).filter((item) => item.sha === sha && item.ref.startsWith(HEADS));
  const known = state.suites.get(key);
  if (known !== undefined) return known;
  const suite = { id: state.nextId(), headBranch: heads[0]?.ref.slice(HEADS.length) ?? null };
  state.suites.set(key, suite);
  return suite;
}

/** Writes what the body names and leaves the rest. */
function apply(run: CheckRunState, body: JsonObject, now: string): void {
  run.writes += 1;
  run.name = textAt(body, "name") ?? run.name;
  run.externalId = textAt(body, "external_id") ?? run.externalId;
  run.detailsUrl = textAt(body, "details_url") ?? run.detailsUrl;
  run.startedAt = textAt(body, "started_at") ?? run.startedAt;
  const conclusion = textAt(body, "conclusion");
  run.status = conclusion === null ? (textAt(body, "status") ?? run.status) : "completed";
  run.conclusion = run.status === "completed" ? (conclusion ?? run.conclusion) : null;
  const completedAt = textAt(body, "completed_at") ?? run.completedAt ?? now;
  run.completedAt = run.status === "completed" ? completedAt : null;
  // Buttons stay until others are named, or none.
  if ("actions" in body) run.actions = listAt(body, "actions").flatMap(readAction);
  const output = body["output"];
  if (!isObject(output)) return;
  run.output.title = textAt(output, "title") ?? run.output.title;
  run.output.summary = textAt(output, "summary") ?? run.output.summary;
  run.output.text = textAt(output, "text") ?? run.output.text;
  // Annotations are added to those of earlier writes.
  run.output.annotations = [...run.output.annotations, ...listAt(output, "annotations").flatMap(readAnnotation)];
}

function readAction(value: unknown): HostCheckAction[] {
  const [label, description, identifier] = ["label", "description", "identifier"].map((key) => textAt(value, key));
  return label && description && identifier ? [{ label, description, identifier }] : [];
}

function readAnnotation(value: unknown): HostAnnotation[] {
  if (!isObject(value)) return [];
  return [
    {
      path: textAt(value, "path") ?? "",
      start_line: Number(value["start_line"]),
      end_line: Number(value["end_line"]),
      annotation_level: textAt(value, "annotation_level") ?? "",
      message: textAt(value, "message") ?? "",
    },
  ];
}

function echo(world: World, repository: RepositoryState, run: CheckRunState, action: "created" | "completed"): void {
  // GitHub answers the write first; Sender.settled waits for these.
  void world.sender.send("check_run", checkRunPayload(world.state, repository, run, action, "app"));
}

function findRun({ state }: World, repository: RepositoryState, request: ApiRequest): CheckRunState {
  const id = Number(request.params["check_run_id"]);
  const found = state.checkRuns.find((run) => run.id === id && run.repository.id === repository.id);
  if (found === undefined) throw new Refusal(404);
  return found;
}

async function list(world: World, request: ApiRequest): Promise<ApiAnswer> {
  const { state } = world;
  const repository = repositoryFor(world, request, "checks", "read");
  const ref = request.params["ref"] ?? "";
  const sha = await resolveCommit(repository.gitDir, ref);
  if (sha === null) throw new Refusal(422, `No commit found for SHA: ${ref}`);
  const { query } = request;
  const name = query.get("check_name");
  const status = query.get("status");
  const appId = query.get("app_id");
  const all = state.checkRuns.filter((run) => run.repository.id === repository.id && run.headSha === sha);
  const latest = all.filter((run) => all.findLast((other) => other.name === run.name) === run);
  const found = (query.get("filter") === "all" ? all : latest).filter(
    (run) =>
      (name === null || run.name === name) &&
      (status === null || run.status === status) &&
      (appId === null || Number(appId) === state.appId),
  );
  // Newest first.
  const { page, headers } = paginate(state, request, found.toReversed());
  const body = { total_count: found.length, check_runs: page.map((run) => checkRunShape(state, run)) };
  return { status: 200, body, headers };
}
