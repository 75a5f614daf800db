import { z } from "zod";
import { NOTICE_EVENTS, NOTICE_KINDS } from "../core/notices.ts";
import { type NoticeDesk, targetJson } from "../engine/notices.ts";
import type { ApiKit, RouteSpec } from "./api-kit.ts";
import { listOf, TIME, TIME_OR_NULL } from "./api-shapes.ts";
import { WebError } from "./errors.ts";
import { type BodySpec, installationIn, NO_BODY, NO_QUERY } from "./requests.ts";

const TARGET = z
  .object({
    id: z.string(),
    kind: z.enum(NOTICE_KINDS),
    to: z.string().meta({ description: "The e-mail address; of a webhook its host alone." }),
    events: z.array(z.enum(NOTICE_EVENTS)),
    madeAt: TIME,
    toldAt: TIME_OR_NULL,
    problem: z.object({ at: TIME, why: z.string() }).nullable().meta({ description: "Why the last one was given up." }),
  })
  .meta({ id: "Notification", description: "An address that is told of an installation's builds." });

/** No problem quotes the body: the address of a webhook is a secret. */
const NEW: BodySpec<{
  kind: (typeof NOTICE_KINDS)[number];
  address: string;
  events: readonly (typeof NOTICE_EVENTS)[number][];
}> = {
  schema: z.strictObject({
    kind: z.enum(NOTICE_KINDS),
    address: z.string().max(2_000),
    events: z.array(z.enum(NOTICE_EVENTS)).default([...NOTICE_EVENTS]),
  }),
  limit: "8kb",
  refuse: () =>
    new WebError(
      400,
      "bad-request",
      'Send {"kind": "email" or "webhook", "address": "…", "events": ["failed", "fixed"]} and nothing else.',
    ),
};

const HERE = {
  path: "/installations/{provider}/{host}/{id}/notifications",
  tag: "settings",
  access: { action: "notification.change", at: "installation" },
  query: NO_QUERY,
} as const;

const LIST = {
  ...HERE,
  id: "listNotifications",
  method: "get",
  summary: "Who is told of an installation's builds.",
  body: NO_BODY,
  answer: { status: 200, schema: listOf(TARGET) },
  errors: {},
} as const satisfies RouteSpec;

const ADD = {
  ...HERE,
  id: "addNotification",
  method: "post",
  summary: "Tells an address of an installation's builds from now on.",
  body: NEW,
  answer: { status: 201, schema: TARGET },
  errors: {
    404: "There is no such installation.",
    409: "It is told already, or there is no room.",
    422: "The address is none, leads into a private network, or this way is not set up here.",
  },
  once: "answer",
} as const;

const REMOVE = {
  ...HERE,
  id: "removeNotification",
  method: "delete",
  path: `${HERE.path}/{notification}`,
  summary: "Tells an address nothing any more.",
  body: NO_BODY,
  answer: { status: 204 },
  errors: { 404: "There is none of this id." },
} as const satisfies RouteSpec;

const TEST = {
  ...HERE,
  id: "testNotification",
  method: "post",
  path: `${HERE.path}/{notification}/test`,
  summary: "Sends a test to an address.",
  body: NO_BODY,
  answer: {
    status: 200,
    schema: z.object({ ok: z.boolean(), why: z.string().nullable().meta({ description: "Why it was not taken." }) }),
  },
  errors: { 404: "There is none of this id." },
} as const satisfies RouteSpec;

export const NOTICE_ROUTES: readonly RouteSpec[] = [LIST, ADD, REMOVE, TEST];

/** Who is told of builds. No answer holds the address of a webhook. */
export function addNotices(api: ApiKit, desk: NoticeDesk): void {
  api.serve(LIST, async (call) => ({ items: (await desk.list(installationIn(call.req))).map(targetJson), next: null }));
  api.serve(ADD, async (call) => {
    const added = await desk.add({ installation: installationIn(call.req), ...call.body }, call.by);
    if (added.kind === "added") return targetJson(added.target);
    throw new WebError(STATUS[added.reason], added.reason, added.why);
  });
  api.serve(REMOVE, async (call) => {
    if (await desk.remove(installationIn(call.req), call.param("notification"), call.by)) return null;
    throw unknown();
  });
  api.serve(TEST, async (call) => {
    const tried = await desk.test(installationIn(call.req), call.param("notification"));
    if (tried === null) throw unknown();
    return { ok: tried.ok, why: tried.ok ? null : tried.why };
  });
}

const STATUS = { "bad-address": 422, "not-set-up": 422, "no-installation": 404, full: 409, known: 409 } as const;

function unknown(): WebError {
  return new WebError(404, "not-found", "There is no notification of this id here.");
}
