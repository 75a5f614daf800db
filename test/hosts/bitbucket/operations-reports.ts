/** Operations on build statuses and on the reports of Code Insights. */
import { isObject, type JsonObject, textAt } from "../json.ts";
import { type ApiRequest, commitFor, type OperationHandler, paginate, repositoryFor, type World } from "./operation.ts";
import { statusPayload } from "./payloads.ts";
import { Refusal } from "./refusal.ts";
import { insightRefusal, MOST_ANNOTATIONS } from "./rules.ts";
import { apiReport, apiStatus } from "./shapes.ts";
import { newUuid, ownerOf, type ReportState, type RepositoryState, type StatusState, timestamp } from "./state.ts";

const COMMIT = "/repositories/{workspace}/{repo_slug}/commit/{commit}";

async function target(world: World, request: ApiRequest, access: "read" | "inside") {
  const repository = repositoryFor(world, request, access);
  return { repository, sha: await commitFor(repository, request.params["commit"] ?? "") };
}

function bodyOf({ body }: ApiRequest): JsonObject {
  return isObject(body) ? body : {};
}

async function createStatus(world: World, request: ApiRequest) {
  const { repository, sha } = await target(world, request, "inside");
  const body = bodyOf(request);
  const key = textAt(body, "key") ?? "";
  const known = repository.statusList.find((status) => status.sha === sha && status.key === key);
  const now = timestamp(world.state.now());
  const status: StatusState = known ?? {
    uuid: newUuid(),
    key,
    state: "INPROGRESS",
    sha,
    name: null,
    description: null,
    url: null,
    refname: null,
    createdOn: now,
    updatedOn: now,
    writes: 0,
  };
  if (known === undefined) repository.statusList.push(status);
  // The same key again overwrites all of it.
  write(status, { name: "", description: "", url: "", refname: "", ...body }, now);
  tell(world, repository, status);
  return { status: 201, body: apiStatus(world.state, repository, status) };
}

async function updateStatus(world: World, request: ApiRequest) {
  const { repository, sha } = await target(world, request, "inside");
  const status = findStatus(repository, sha, request);
  write(status, bodyOf(request), timestamp(world.state.now()));
  tell(world, repository, status);
  return { status: 200, body: apiStatus(world.state, repository, status) };
}

function write(status: StatusState, body: JsonObject, now: string): void {
  const text = (name: string, before: string | null) => (name in body ? textAt(body, name) || null : before);
  const { state } = body;
  if (state === "INPROGRESS" || state === "SUCCESSFUL" || state === "FAILED" || state === "STOPPED") {
    status.state = state;
  }
  status.name = text("name", status.name);
  status.description = text("description", status.description);
  status.url = text("url", status.url);
  status.refname = text("refname", status.refname);
  status.updatedOn = now;
  status.writes += 1;
}

/** Does not wait for the webhooks: who writes a status may be the one who is to answer them. */
function tell({ state, sender }: World, repository: RepositoryState, status: StatusState): void {
  const event = `repo:commit_status_${status.writes === 1 ? "created" : "updated"}`;
  const payload = statusPayload(state, repository, status, ownerOf(repository.workspace));
  void sender.send(event, payload, { workspace: repository.workspace, repository });
}

function findStatus(repository: RepositoryState, sha: string, { params }: ApiRequest): StatusState {
  const found = repository.statusList.find((status) => status.sha === sha && status.key === params["key"]);
  if (found === undefined) throw new Refusal(404, `No build status with key ${params["key"]}`);
  return found;
}

async function getStatus(world: World, request: ApiRequest) {
  const { repository, sha } = await target(world, request, "read");
  return { status: 200, body: apiStatus(world.state, repository, findStatus(repository, sha, request)) };
}

async function listStatuses(world: World, request: ApiRequest) {
  const { repository, sha } = await target(world, request, "read");
  const refname = request.query.get("refname");
  const found = repository.statusList.filter(
    (status) => status.sha === sha && (refname === null || status.refname === refname),
  );
  const shapes = found.map((status) => apiStatus(world.state, repository, status));
  return { status: 200, body: paginate(world, request, shapes) };
}

function findReport(repository: RepositoryState, sha: string, { params }: ApiRequest): ReportState | undefined {
  const { reportId } = params;
  return repository.reportList.find(
    (report) => report.sha === sha && (report.externalId === reportId || report.uuid === reportId),
  );
}

function requireReport(repository: RepositoryState, sha: string, request: ApiRequest): ReportState {
  const found = findReport(repository, sha, request);
  if (found === undefined) throw new Refusal(404, `Report ${request.params["reportId"]} not found`);
  return found;
}

async function putReport(world: World, request: ApiRequest) {
  const { repository, sha } = await target(world, request, "inside");
  const now = timestamp(world.state.now());
  const known = findReport(repository, sha, request);
  const report: ReportState = known ?? {
    uuid: newUuid(),
    externalId: request.params["reportId"] ?? "",
    sha,
    content: {},
    annotations: [],
    createdOn: now,
    updatedOn: now,
    writes: 0,
  };
  if (known === undefined) repository.reportList.push(report);
  report.content = bodyOf(request);
  report.updatedOn = now;
  report.writes += 1;
  return { status: 200, body: apiReport(report) };
}

async function getReport(world: World, request: ApiRequest) {
  const { repository, sha } = await target(world, request, "read");
  return { status: 200, body: apiReport(requireReport(repository, sha, request)) };
}

async function listReports(world: World, request: ApiRequest) {
  const { repository, sha } = await target(world, request, "read");
  const found = repository.reportList.filter((report) => report.sha === sha);
  return { status: 200, body: paginate(world, request, found.map(apiReport)) };
}

/** An annotation with an id that is there already replaces that one. */
async function postAnnotations(world: World, request: ApiRequest) {
  const { repository, sha } = await target(world, request, "inside");
  const report = requireReport(repository, sha, request);
  const given = Array.isArray(request.body) ? request.body.filter(isObject) : [];
  const ids = new Set([
    ...report.annotations.map((item) => item.externalId),
    ...given.map((item) => textAt(item, "external_id")),
  ]);
  if (ids.size > MOST_ANNOTATIONS) throw insightRefusal(`A report can not have over ${MOST_ANNOTATIONS} annotations.`);
  const written = given.map((content) => {
    const externalId = textAt(content, "external_id") ?? "";
    const at = report.annotations.findIndex((item) => item.externalId === externalId);
    const made = { uuid: report.annotations[at]?.uuid ?? newUuid(), externalId, content };
    if (at < 0) report.annotations.push(made);
    else report.annotations[at] = made;
    return { type: "report_annotation", uuid: made.uuid, ...content };
  });
  return { status: 200, body: written };
}

async function listAnnotations(world: World, request: ApiRequest) {
  const { repository, sha } = await target(world, request, "read");
  const { annotations } = requireReport(repository, sha, request);
  const shapes = annotations.map(({ uuid, content }) => ({ type: "report_annotation", uuid, ...content }));
  return { status: 200, body: paginate(world, request, shapes) };
}

export const REPORT_OPERATIONS: Readonly<Record<string, OperationHandler>> = {
  [`GET ${COMMIT}/statuses`]: { anonymous: true, handle: listStatuses },
  [`POST ${COMMIT}/statuses/build`]: { handle: createStatus },
  [`GET ${COMMIT}/statuses/build/{key}`]: { anonymous: true, handle: getStatus },
  [`PUT ${COMMIT}/statuses/build/{key}`]: { handle: updateStatus },
  [`GET ${COMMIT}/reports`]: { anonymous: true, handle: listReports },
  [`PUT ${COMMIT}/reports/{reportId}`]: { handle: putReport },
  [`GET ${COMMIT}/reports/{reportId}`]: { anonymous: true, handle: getReport },
  [`GET ${COMMIT}/reports/{reportId}/annotations`]: { anonymous: true, handle: listAnnotations },
  [`POST ${COMMIT}/reports/{reportId}/annotations`]: { handle: postAnnotations },
};
