/**
 * What an access token may do, found by trying: Bitbucket tells nobody what a token was given. Everything here only reads.
 */
import { z } from "zod";
import { type Account, failed, type Outcome, ok } from "../core/model.ts";
import type { ConnectionTarget } from "../engine/connections-port.ts";
import type { BitbucketAccess } from "./access.ts";
import { type ApiAnswer, apiPath, misshapen, nextPage, refusal, requiredScopes } from "./api.ts";
import { parseUuid } from "./uuid.ts";

/** Whose token it is, and what it may do beyond what every connection needs. */
export interface TokenRights {
  readonly workspace: Pick<Account, "login" | "kind"> & { readonly id: string };
  /** Null: the workspace was asked about. */
  readonly repository: { readonly id: string; readonly fullName: string } | null;
  /** Why it may not manage webhooks; null: it may. */
  readonly noWebhooks: string | null;
}

/** Scopes by the words of Bitbucket's own form. */
const SCOPES = {
  repository: "repository (Repositories: Read)",
  pullrequest: "pullrequest (Pull requests: Read)",
  webhook: "webhook (Webhooks: Read and write)",
} as const;

/** Pages of repositories that are searched for a private one. */
const MAX_PAGES = 10;

const uuid = z
  .string()
  .transform((text) => parseUuid(text))
  .pipe(z.string());
const workspaceSchema = z.object({ uuid, slug: z.string().min(1), is_personal: z.boolean().nullish() });
const repositorySchema = z.object({
  uuid,
  full_name: z.string().regex(/^[^/]+\/[^/]+$/),
  is_private: z.boolean(),
  workspace: z.object({ uuid, slug: z.string().min(1) }),
  owner: z.object({ type: z.string() }).nullish(),
});
const pageSchema = z.object({ values: z.array(repositorySchema) });

type Repository = z.infer<typeof repositorySchema>;
type Ask = (segments: readonly string[], query?: Readonly<Record<string, string>>) => Promise<Outcome<ApiAnswer>>;

/**
 * Fails, naming what is missing, when the token can not read repositories and pull requests of the target, and also when
 * it can not be told whether it is the target's at all: everybody can read public repositories.
 */
export async function examineToken(
  access: Pick<BitbucketAccess, "callWith">,
  token: string,
  target: ConnectionTarget,
): Promise<Outcome<TokenRights>> {
  const ask: Ask = (segments, query) => access.callWith({ token }, { method: "GET", path: apiPath(segments, query) });
  return target.repository === null
    ? examineWorkspace(ask, access, token, target.workspace)
    : examineRepository(ask, target.workspace, target.repository);
}

async function examineRepository(ask: Ask, workspace: string, name: string): Promise<Outcome<TokenRights>> {
  const about = ["repositories", workspace, name];
  const answer = await ask(about);
  if (!answer.ok) return answer;
  const repository = read(answer.value, repositorySchema, {
    scope: "repository",
    missing: `Bitbucket knows no repository ${workspace}/${name}, or the token does not reach it.`,
  });
  if (!repository.ok) return repository;
  const { value } = repository;
  const webhooks = await mayManageWebhooks(ask, about);
  if (!webhooks.ok) return webhooks;
  if (webhooks.value !== null && !value.is_private) {
    return undecided(`it can read ${value.full_name}, which is public`, webhooks.value);
  }
  const pulls = await mayReadPulls(ask, value);
  if (!pulls.ok) return pulls;
  return ok({
    workspace: {
      id: value.workspace.uuid,
      login: value.workspace.slug,
      kind: value.owner?.type === "user" ? "user" : "organization",
    },
    repository: { id: value.uuid, fullName: value.full_name },
    noWebhooks: webhooks.value,
  });
}

async function examineWorkspace(
  ask: Ask,
  access: Pick<BitbucketAccess, "callWith">,
  token: string,
  name: string,
): Promise<Outcome<TokenRights>> {
  const answer = await ask(["workspaces", name]);
  if (!answer.ok) return answer;
  const workspace = read(answer.value, workspaceSchema, {
    scope: null,
    missing: `Bitbucket knows no workspace ${name}, or the token does not reach it.`,
  });
  if (!workspace.ok) return workspace;
  const { uuid: id, slug, is_personal: personal } = workspace.value;
  const webhooks = await mayManageWebhooks(ask, ["workspaces", id]);
  if (!webhooks.ok) return webhooks;

  let page = await ask(["repositories", id], { pagelen: "100" });
  let first: Repository | null = null;
  let proven = webhooks.value === null;
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    if (!page.ok) return page;
    const listed = read(page.value, pageSchema, {
      scope: "repository",
      missing: `The token does not reach the workspace ${slug}.`,
    });
    if (!listed.ok) return listed;
    first ??= listed.value.values[0] ?? null;
    proven ||= listed.value.values.some((repository) => repository.is_private);
    const next = nextPage(page.value);
    if (proven || next === null) break;
    page = await access.callWith({ token }, next);
  }
  if (first === null) {
    const message = `The token reaches no repository of ${slug}. Make one there first, or give a token of ${slug}.`;
    return failed(message, { retryable: false });
  }
  if (!proven) return undecided(`${slug} shows it public repositories only`, webhooks.value ?? "");
  const pulls = await mayReadPulls(ask, first);
  if (!pulls.ok) return pulls;
  const kind = personal === true || first.owner?.type === "user" ? "user" : "organization";
  return ok({ workspace: { id, login: slug, kind }, repository: null, noWebhooks: webhooks.value });
}

/** Null: it may; else why not. What neither allows nor refuses it fails. */
async function mayManageWebhooks(ask: Ask, subject: readonly string[]): Promise<Outcome<string | null>> {
  const answer = await ask([...subject, "hooks"], { pagelen: "10" });
  if (!answer.ok) return answer;
  const { status } = answer.value;
  if (status === 200) return ok(null);
  // Where somebody may not manage webhooks, Bitbucket says 403, or that there is nothing.
  if (status !== 403 && status !== 404) return refusal(answer.value);
  const refused = notGranted(answer.value, "webhook");
  return ok(refused.ok ? "" : refused.message);
}

async function mayReadPulls(ask: Ask, { workspace, uuid: id }: Repository): Promise<Outcome<unknown>> {
  const answer = await ask(["repositories", workspace.uuid, id, "pullrequests"], { pagelen: "10" });
  if (!answer.ok) return answer;
  return read(answer.value, z.unknown(), { scope: "pullrequest", missing: "The token can not see pull requests." });
}

function read<T>(
  answer: ApiAnswer,
  schema: z.ZodType<T>,
  { scope, missing }: { readonly scope: keyof typeof SCOPES | null; readonly missing: string },
): Outcome<T> {
  if (answer.status === 401) return unusable(answer);
  if (answer.status === 404) return failed(missing, { retryable: false });
  if (answer.status === 403 && scope !== null) return notGranted(answer, scope);
  if (answer.status !== 200) return refusal(answer);
  const parsed = schema.safeParse(answer.body);
  return parsed.success ? ok(parsed.data) : misshapen(answer);
}

/** A refusal in words that can be acted on. Bitbucket names scopes only where the token lacks one. */
export function notGranted(answer: ApiAnswer, scope: keyof typeof SCOPES): Outcome<never> {
  if (answer.status !== 403) return refusal(answer);
  const why =
    requiredScopes(answer).length > 0
      ? `The token lacks the scope ${SCOPES[scope]}.`
      : `${sentence(answer)} What was asked takes the scope ${SCOPES[scope]}.`;
  return failed(why, { retryable: false });
}

/** What Bitbucket has said. */
function sentence(answer: ApiAnswer): string {
  const refused = refusal(answer);
  return refused.ok ? "" : refused.message;
}

function unusable(answer: ApiAnswer): Outcome<never> {
  const kind = "It has to be an access token of the workspace or of the repository, neither revoked nor expired.";
  return failed(`Bitbucket does not take this token. ${kind} ${sentence(answer)}`, { retryable: false });
}

function undecided(why: string, noWebhooks: string): Outcome<never> {
  const todo = `Give it the scope ${SCOPES.webhook}, which shows it.`;
  return failed(`Nothing shows whether the token belongs there: ${why}. ${noWebhooks} ${todo}`, {
    retryable: false,
  });
}
