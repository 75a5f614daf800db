/** Operations on the webhooks of a workspace or repository. Those of Connect apps are not among them. */
import { isObject, type JsonObject, listAt, textAt } from "../json.ts";
import {
  type ApiRequest,
  type OperationHandler,
  paginate,
  repositoryFor,
  type World,
  workspaceFor,
} from "./operation.ts";
import { Refusal } from "./refusal.ts";
import { apiHook } from "./shapes.ts";
import { type HookState, newUuid, type RepositoryState, timestamp, type WorkspaceState } from "./state.ts";

interface Subject {
  readonly workspace: WorkspaceState;
  readonly repository: RepositoryState | null;
}

function subjectOf(world: World, request: ApiRequest): Subject {
  if (!("repo_slug" in request.params)) return { workspace: workspaceFor(world, request), repository: null };
  const repository = repositoryFor(world, request, "inside");
  return { workspace: repository.workspace, repository };
}

function hooksOf({ state }: World, { workspace, repository }: Subject): readonly HookState[] {
  return state.hooks.filter(
    (hook) => hook.repository === repository && (repository !== null || hook.workspace === workspace),
  );
}

function findHook(world: World, request: ApiRequest): HookState {
  const wanted = (request.params["uid"] ?? "").toLowerCase();
  const found = hooksOf(world, subjectOf(world, request)).find(
    (hook) => hook.uuid === wanted || hook.uuid === `{${wanted}}`,
  );
  if (found === undefined) throw new Refusal(404, `Webhook ${wanted} not found`);
  return found;
}

async function listHooks(world: World, request: ApiRequest) {
  const hooks = hooksOf(world, subjectOf(world, request)).map((hook) => apiHook(world.state, hook));
  return { status: 200, body: paginate(world, request, hooks) };
}

async function createHook(world: World, request: ApiRequest) {
  const { state } = world;
  const hook: HookState = {
    uuid: newUuid(),
    ...subjectOf(world, request),
    url: "",
    description: "",
    events: [],
    active: true,
    secret: null,
    createdOn: timestamp(state.now()),
    skipCertVerification: false,
  };
  write(hook, isObject(request.body) ? request.body : {});
  state.hooks.push(hook);
  const body = apiHook(state, hook);
  return { status: 201, body, headers: { location: request.path } };
}

/** What is not named stays; a secret of null or nothing ends signing. */
function write(hook: HookState, body: JsonObject): void {
  hook.url = textAt(body, "url") ?? hook.url;
  hook.description = textAt(body, "description") ?? hook.description;
  if ("events" in body) hook.events = listAt(body, "events").filter((event) => typeof event === "string");
  if (typeof body["active"] === "boolean") hook.active = body["active"];
  if ("secret" in body) hook.secret = textAt(body, "secret") || null;
}

async function getHook(world: World, request: ApiRequest) {
  return { status: 200, body: apiHook(world.state, findHook(world, request)) };
}

async function updateHook(world: World, request: ApiRequest) {
  const hook = findHook(world, request);
  write(hook, isObject(request.body) ? request.body : {});
  return { status: 200, body: apiHook(world.state, hook) };
}

async function deleteHook(world: World, request: ApiRequest) {
  const { hooks } = world.state;
  hooks.splice(hooks.indexOf(findHook(world, request)), 1);
  return { status: 204 };
}

const PULL_EVENTS = { created: "Created", updated: "Updated", fulfilled: "Merged", rejected: "Declined" };
const REPOSITORY_EVENTS = { push: "Push", fork: "Fork", updated: "Updated", transfer: "Transfer accepted" };
const WORKSPACE_EVENTS = { ...REPOSITORY_EVENTS, created: "Created", deleted: "Deleted", imported: "Import" };

/** Some of what webhooks can be made for, by whose they are; workspaces hear of repositories that come and go. */
async function listEvents(world: World, request: ApiRequest) {
  const kind = request.params["subject_type"] ?? "";
  if (kind !== "repository" && kind !== "workspace") throw new Refusal(404, `No such subject type: ${kind}`);
  const shapes = (category: string, prefix: string, labels: Readonly<Record<string, string>>) =>
    Object.entries(labels).map(([name, label]) => {
      return { event: `${prefix}:${name}`, category, label, description: `${category} ${label}` };
    });
  const events = [
    ...shapes("Repository", "repo", kind === "workspace" ? WORKSPACE_EVENTS : REPOSITORY_EVENTS),
    ...shapes("Pull Request", "pullrequest", PULL_EVENTS),
  ];
  return { status: 200, body: paginate(world, request, events) };
}

async function listSubjects({ state }: World) {
  const events = (kind: string) => ({ events: { href: `${state.apiUrl}/2.0/hook_events/${kind}` } });
  return { status: 200, body: { repository: events("repository"), workspace: events("workspace") } };
}

export const HOOK_OPERATIONS: Readonly<Record<string, OperationHandler>> = {
  "GET /hook_events": { anonymous: true, handle: listSubjects },
  "GET /hook_events/{subject_type}": { anonymous: true, handle: listEvents },
  ...Object.fromEntries(
    ["/workspaces/{workspace}", "/repositories/{workspace}/{repo_slug}"].flatMap((subject) => [
      [`GET ${subject}/hooks`, { handle: listHooks }],
      [`POST ${subject}/hooks`, { handle: createHook }],
      [`GET ${subject}/hooks/{uid}`, { handle: getHook }],
      [`PUT ${subject}/hooks/{uid}`, { handle: updateHook }],
      [`DELETE ${subject}/hooks/{uid}`, { handle: deleteHook }],
    ]),
  ),
};
