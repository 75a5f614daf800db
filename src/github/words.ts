/** What the parsers of all events share: GitHub's accounts, repositories and ids in the project's words, and the results. */
import type { z } from "zod";
import type { HostEvent, IgnoredEvent, ParseResult, RepositoryName } from "../core/events.ts";
import type { Account, Actor, HostId, Repository } from "../core/model.ts";
import {
  type accountSchema,
  actionSchema,
  type repositoryNameSchema,
  type repositorySchema,
  senderSchema,
} from "./payloads.ts";

export interface ParseContext {
  readonly host: string;
  /** Our App's id, to know our own checks; null: not known, then no check is ours. */
  readonly appId: number | null;
}

/** Id of "no installation": GitHub counts from 1. Payloads of a repository's own webhook name none. */
export const NO_INSTALLATION = "0";

/** As `X-GitHub-Event` and the actions of payloads are spelled. Bitbucket's hold a colon: `repo:push`. */
export const EVENT_NAME = /^[a-z][a-z0-9_]{0,99}$/;

export function hostId(id: string, context: Pick<ParseContext, "host">): HostId {
  return { provider: "github", host: context.host, id };
}

export function toRepository(
  repository: z.infer<typeof repositorySchema>,
  context: Pick<ParseContext, "host">,
): Repository {
  return {
    ...hostId(repository.id, context),
    fullName: repository.full_name,
    private: repository.private,
    defaultBranch: repository.default_branch || null,
    cloneUrl: repository.clone_url,
    webUrl: repository.html_url,
  };
}

export function toRepositoryName(
  repository: z.infer<typeof repositoryNameSchema>,
  context: Pick<ParseContext, "host">,
): RepositoryName {
  return {
    provider: "github",
    host: context.host,
    id: repository.id,
    fullName: repository.full_name,
    private: repository.private,
  };
}

export function toAccount(account: z.infer<typeof accountSchema>, context: Pick<ParseContext, "host">): Account {
  const identity = { provider: "github", host: context.host, id: account.id } as const;
  if (!("login" in account)) return { ...identity, login: account.slug, kind: "enterprise" };
  return { ...identity, login: account.login, kind: account.type === "Organization" ? "organization" : "user" };
}

/** The signed `sender`, never the pusher's or author's name: those anyone can write. A broken one is nobody. */
export function actorOf(payload: unknown): Actor | null {
  const result = senderSchema.safeParse(payload);
  return result.success ? (result.data.sender ?? null) : null;
}

export function actionOf(payload: unknown): string | null {
  const result = actionSchema.safeParse(payload);
  return result.success ? (result.data.action ?? null) : null;
}

export function parsed(event: HostEvent): ParseResult {
  return { ok: true, event };
}

export function ignored(reason: IgnoredEvent["reason"], detail: string): ParseResult {
  return parsed({ type: "ignored", reason, detail });
}

export function unsupported(event: string, action: string | null): ParseResult {
  // Shown where people look: of an action that is no name, nothing.
  const name = action === null || !EVENT_NAME.test(action) ? event : `${event}.${action}`;
  return ignored("unsupported-event", `Nothing is built for \`${name.slice(0, 100)}\` events.`);
}

/** Names the first field that is wrong, never its value. */
export function rejected(event: string, error: z.ZodError): ParseResult {
  const issue = error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? "the payload" : issue.path.map(String).join(".");
  return { ok: false, message: `Not a usable ${event} payload: ${where}: ${issue?.message ?? "invalid"}.` };
}
