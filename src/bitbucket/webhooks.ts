/** Ordinary webhooks of a workspace or repository, as the API has them; `hooks.ts` takes what they send. */
import { z } from "zod";
import { failed, type Outcome, ok } from "../core/model.ts";
import type { WebhookEvent } from "../engine/connections-port.ts";
import type { Connection } from "../engine/grants-port.ts";
import type { BitbucketAccess } from "./access.ts";
import { type ApiAnswer, type ApiRequest, apiPath, misshapen, nextPage } from "./api.ts";
import { notGranted } from "./rights.ts";

/** What a webhook belongs to, and the token it is managed with. */
export type Subject = Pick<Connection, "workspace" | "repository" | "token">;

export interface Webhook {
  readonly uuid: string;
  readonly url: string;
  readonly description: string;
  readonly active: boolean;
  readonly events: readonly string[];
  /** Null: Bitbucket does not say. */
  readonly signed: boolean | null;
}

/** Refused by an answer that says so; nothing was done. Other failures may have done what was asked. */
export interface Refused {
  readonly refused: string;
  /** The token is why, rather than what was asked. */
  readonly forbidden: boolean;
}

/** Everything that parse.ts understands. Which of it workspaces and repositories offer differs, and Bitbucket says so. */
const WANTED = [
  "repo:push",
  "pullrequest:created",
  "pullrequest:updated",
  "pullrequest:fulfilled",
  "pullrequest:rejected",
  "repo:updated",
  "repo:transfer",
  "repo:deleted",
  "repo:imported",
  "repo:created",
];

const MAX_PAGES = 10;

const eventsSchema = z.object({
  values: z.array(z.object({ event: z.string(), category: z.string().nullish(), label: z.string().nullish() })),
});
const webhookSchema = z
  .object({
    uuid: z.string().min(1),
    url: z.string(),
    description: z.string().nullish(),
    active: z.boolean(),
    events: z.array(z.string()),
    secret_set: z.boolean().nullish(),
  })
  .transform(
    ({ secret_set: signed, description, ...hook }): Webhook => ({
      ...hook,
      description: description ?? "",
      signed: signed ?? null,
    }),
  );
const pageSchema = z.object({ values: z.array(webhookSchema) });

type Access = Pick<BitbucketAccess, "callWith">;

/** Those of our events that this kind of subject offers. */
export async function offeredEvents(access: Access, subject: Subject): Promise<Outcome<WebhookEvent[]>> {
  const kind = subject.repository === null ? "workspace" : "repository";
  const first = apiPath(["hook_events", kind], { pagelen: "100" });
  const offered = await all(access, subject.token, first, eventsSchema);
  if (!offered.ok) return offered;
  const labels = new Map(
    offered.value.map(({ event, category, label }) => [event, label ? `${category ?? "Other"}: ${label}` : event]),
  );
  if (!labels.has("repo:push")) {
    return failed(`Bitbucket offers no repo:push for webhooks of a ${kind}.`, { retryable: false });
  }
  return ok(
    WANTED.flatMap((event) => {
      const label = labels.get(event);
      return label === undefined ? [] : [{ event, label }];
    }),
  );
}

/** By its uuid or, where that is not known or not there, by where it sends to; null: there is none. */
export async function findWebhook(
  access: Access,
  subject: Subject,
  { uuid, url }: { readonly uuid: string | null; readonly url: string },
): Promise<Outcome<Webhook | null>> {
  const hooks = await all(access, subject.token, apiPath(pathOf(subject), { pagelen: "100" }), pageSchema);
  if (!hooks.ok) return hooks;
  const known = hooks.value.find((hook) => hook.uuid === uuid);
  return ok(known ?? hooks.value.find((hook) => hook.url === url) ?? null);
}

export async function createWebhook(
  access: Access,
  subject: Subject,
  hook: Pick<Webhook, "url" | "description" | "events"> & { readonly secret: string },
): Promise<Outcome<Webhook> | Refused> {
  const body = { ...hook, active: true };
  const answer = await send(access, subject, { method: "POST", path: apiPath(pathOf(subject)), body });
  return judge(answer, [201, 200]);
}

/** Everything else about it stays as somebody may have changed it. */
export async function changeSecret(
  access: Access,
  subject: Subject,
  { uuid, url, description, active, events }: Webhook,
  secret: string,
): Promise<Outcome<Webhook> | Refused> {
  const path = apiPath([...pathOf(subject), uuid]);
  const body = { url, description, active, events, secret };
  return judge(await send(access, subject, { method: "PUT", path, body }), [200]);
}

/** Null: it is gone. */
export async function deleteWebhook(access: Access, subject: Subject, uuid: string): Promise<Outcome<null>> {
  const answer = await send(access, subject, { method: "DELETE", path: apiPath([...pathOf(subject), uuid]) });
  if (!answer.ok) return answer;
  return answer.value.status === 204 || answer.value.status === 200 ? ok(null) : notGranted(answer.value, "webhook");
}

function pathOf({ workspace, repository }: Subject): string[] {
  return repository === null ? ["workspaces", workspace, "hooks"] : ["repositories", workspace, repository.id, "hooks"];
}

function send(access: Access, { token }: Subject, request: ApiRequest): Promise<Outcome<ApiAnswer>> {
  return access.callWith({ token }, request);
}

function judge(answer: Outcome<ApiAnswer>, good: readonly number[]): Outcome<Webhook> | Refused {
  if (!answer.ok) return answer;
  if (!good.includes(answer.value.status)) {
    const refused = notGranted(answer.value, "webhook");
    return refused.ok
      ? refused
      : { refused: refused.message, forbidden: [401, 403, 404].includes(answer.value.status) };
  }
  const parsed = webhookSchema.safeParse(answer.value.body);
  return parsed.success ? ok(parsed.data) : misshapen(answer.value);
}

/** All items of a listing. */
async function all<T>(
  access: Access,
  token: string,
  first: string,
  schema: z.ZodType<{ readonly values: readonly T[] }>,
): Promise<Outcome<readonly T[]>> {
  const items: T[] = [];
  let next: ApiRequest | null = { method: "GET", path: first };
  for (let pages = 0; next !== null && pages < MAX_PAGES; pages += 1) {
    const answer: Outcome<ApiAnswer> = await access.callWith({ token }, next);
    if (!answer.ok) return answer;
    if (answer.value.status !== 200) return notGranted(answer.value, "webhook");
    const page = schema.safeParse(answer.value.body);
    if (!page.success) return misshapen(answer.value);
    items.push(...page.data.values);
    next = nextPage(answer.value);
  }
  if (next !== null)
    return failed(`There are more than ${MAX_PAGES} pages of ${first.split("?")[0]}.`, { retryable: false });
  return ok(items);
}
