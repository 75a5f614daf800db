/** Connections of a workspace and deliveries for them, before the door for signed webhooks. */

import { createHmac } from "node:crypto";
import { createSignedWebhookEntrance } from "../../src/bitbucket/hooks.ts";
import type { Answer, IncomingDelivery, Opening } from "../../src/engine/ports.ts";
import { OPERATOR } from "../contract/store.by.ts";
import { createFakeGrants } from "./fake-grants.ts";

export const WORKSPACE = "{acf54878-1111-4222-8333-944455556666}";
export const OTHER_WORKSPACE = "{0b1c2d3e-1111-4222-8333-944455556666}";
export const REPOSITORY = "{5f2a9d3b-1111-4222-8333-944455556666}";
export const OTHER_REPOSITORY = "{77777777-1111-4222-8333-944455556666}";
export const REQUEST = "8c2f7d0e-58a4-4c4b-9d36-0f6f2a1d8a10";
export const SECRET = "current-secret-of-at-least-32-characters";
export const PREVIOUS = "previous-secret-of-at-least-32-characters";
export const START = Date.parse("2026-11-20T10:00:00Z");

export function sign(body: Buffer | string, secret = SECRET): string {
  return `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
}

export type Headers = Record<string, string | string[] | undefined>;

export function headersFor(body: Buffer | string, changes: Headers = {}): Headers {
  return {
    "content-type": "application/json",
    "x-event-key": "repo:push",
    "x-request-uuid": REQUEST,
    "x-hook-uuid": "f3a5c1c2-0000-4000-8000-000000000001",
    "x-attempt-number": "1",
    "x-hub-signature": sign(body),
    ...changes,
  };
}

export const push = JSON.stringify({
  push: { changes: [] },
  actor: { type: "user", nickname: "ada" },
  repository: {
    uuid: REPOSITORY,
    full_name: "harbour/crane",
    workspace: { slug: "harbour", uuid: WORKSPACE },
    owner: { uuid: WORKSPACE },
  },
});

export function pushOf(repository: object | null, rest: object = {}): string {
  return JSON.stringify({ push: { changes: [] }, ...(repository === null ? {} : { repository }), ...rest });
}

/** Two connections: `all` of the workspace, `one` of a repository. Counts what is looked up. */
export async function world() {
  const clock = { at: START, now: () => clock.at };
  const grants = createFakeGrants(clock);
  const delivery = { provider: "bitbucket", host: "default", deliveryId: "connected-1" } as IncomingDelivery;
  const common = { workspace: WORKSPACE, kind: "organization", login: "harbour", token: "t", hook: null } as const;
  await grants.addConnection(
    { ...common, id: "all", repository: null, secrets: [SECRET, PREVIOUS] },
    delivery,
    OPERATOR,
  );
  const repository = { id: REPOSITORY, fullName: "harbour/crane" };
  await grants.addConnection({ ...common, id: "one", repository, secrets: [SECRET] }, delivery, OPERATOR);
  await grants.addConnection(
    { ...common, id: "elsewhere", repository: null, secrets: ["another one's"] },
    delivery,
    OPERATOR,
  );
  const asked: string[] = [];
  const entrance = createSignedWebhookEntrance({
    host: "default",
    grants: {
      connection: async (id) => {
        asked.push(id);
        return grants.connection(id);
      },
    },
    clock,
  });

  function open(body: Buffer | string, options: { headers?: Headers; method?: string; path?: string } = {}) {
    const path = options.path ?? "/webhooks/bitbucket/all";
    return entrance.open({
      method: options.method ?? "POST",
      path,
      url: path,
      headers: headersFor(body, options.headers),
    });
  }
  /** Sends a body in chunks of `chunk` bytes. */
  async function send(body: Buffer | string, options: Parameters<typeof open>[1] & { readonly chunk?: number } = {}) {
    const opening = await open(body, options);
    return opening === null ? null : pass(opening, Buffer.from(body), options.chunk);
  }
  return { clock, grants, asked, entrance, open, send };
}

export function pass(
  opening: Opening,
  body: Buffer,
  chunk = Math.max(body.length, 1),
): IncomingDelivery | { answer: Answer } {
  if ("answer" in opening) return opening;
  for (let at = 0; at < body.length; at += chunk) opening.update(body.subarray(at, at + chunk));
  return opening.close(body);
}

export function statusOf(result: IncomingDelivery | { answer: Answer } | null): number | "accepted" | "not here" {
  if (result === null) return "not here";
  return "answer" in result ? result.answer.status : "accepted";
}
