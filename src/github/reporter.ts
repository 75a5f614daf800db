import type { CheckContent } from "../core/check.ts";
import { failed, type HostId, type Outcome, ok } from "../core/model.ts";
import type { Reporter } from "../engine/ports.ts";
import type { GithubAccess } from "./access.ts";
import { type ApiAnswer, type ApiRequest, apiPath, misshapen, nextPage, refusal, repositorySegments } from "./api.ts";
import { checkActions, checkOutput } from "./check-output.ts";
import { checkRunSchema, checkRunsSchema } from "./payloads.ts";
import type { TokenScope } from "./tokens.ts";

type Check = Parameters<Reporter["show"]>[0];

/** Pages of check runs of one name at one commit that are searched for ours. */
const MAX_SEARCH_PAGES = 10;

/**
 * Shows checks as check runs. GitHub has no idempotency key for creating one: `external_id` is ours, and whoever is not
 * sure whether a creation arrived looks for it first. No request is repeated here.
 */
export function createGithubReporter(options: { readonly access: GithubAccess }): Reporter {
  const { access } = options;
  return {
    async show(check, content) {
      const scope = reportScope(check.installation, check.repository);
      const known = await knownId(access, scope, check);
      if (!known.ok) return known;
      return known.value === null
        ? create(access, scope, check, content)
        : update(access, scope, check, known.value, content);
    },
  };
}

/** Writing checks only; never given to a builder. */
function reportScope(installation: HostId, repository: HostId): TokenScope {
  return { installationId: installation.id, repositoryIds: [repository.id], permissions: { checks: "write" } };
}

async function knownId(access: GithubAccess, scope: TokenScope, check: Check): Promise<Outcome<string | null>> {
  if (check.shown.hostId !== null) return ok(check.shown.hostId);
  return check.shown.uncertain ? find(access, scope, check) : ok(null);
}

/** The run an earlier creation may have made. */
async function find(access: GithubAccess, scope: TokenScope, check: Check): Promise<Outcome<string | null>> {
  let page: ApiRequest | null = {
    method: "GET",
    path: apiPath([...repositorySegments(check.repository), "commits", check.sha, "check-runs"], {
      check_name: check.name,
      app_id: String(access.appId),
      filter: "all",
      per_page: "100",
    }),
  };
  for (let count = 0; page !== null; count += 1) {
    if (count === MAX_SEARCH_PAGES) {
      return failed(`Too many checks named ${check.name} at ${check.sha} to find ours.`, { retryable: false });
    }
    const answer: Outcome<ApiAnswer> = await access.asInstallation(scope, page);
    if (!answer.ok) return answer;
    if (answer.value.status !== 200) return reportRefusal(answer.value);
    const result = checkRunsSchema.safeParse(answer.value.body);
    if (!result.success) return misshapen(answer.value);
    const ours = result.data.check_runs.find((run) => run.external_id === check.shown.externalId);
    if (ours !== undefined) return ok(ours.id);
    page = nextPage(answer.value);
  }
  return ok(null);
}

async function create(
  access: GithubAccess,
  scope: TokenScope,
  check: Check,
  content: CheckContent,
): Promise<Outcome<{ hostId: string }>> {
  const answer = await access.asInstallation(scope, {
    method: "POST",
    path: apiPath([...repositorySegments(check.repository), "check-runs"]),
    body: {
      name: check.name,
      head_sha: check.sha,
      ...fields(check, content, { annotate: true }),
      ...(content.actions.length === 0 ? {} : { actions: checkActions(content.actions) }),
    },
  });
  return shownRun(answer, 201);
}

async function update(
  access: GithubAccess,
  scope: TokenScope,
  check: Check,
  id: string,
  content: CheckContent,
): Promise<Outcome<{ hostId: string }>> {
  const path = apiPath([...repositorySegments(check.repository), "check-runs", id]);
  let annotate = false;
  if (content.annotations.length > 0) {
    // Every update adds its annotations to those already there; an update whose answer was lost must not do it twice.
    const answer = await access.asInstallation(scope, { method: "GET", path });
    if (!answer.ok) return answer;
    if (answer.value.status !== 200) return reportRefusal(answer.value);
    const result = checkRunSchema.safeParse(answer.value.body);
    if (!result.success) return misshapen(answer.value);
    annotate = (result.data.output?.annotations_count ?? 0) === 0;
  }
  const answer = await access.asInstallation(scope, {
    method: "PATCH",
    path,
    // Without `actions` the buttons of an earlier report would stay.
    body: { name: check.name, ...fields(check, content, { annotate }), actions: checkActions(content.actions) },
  });
  return shownRun(answer, 200);
}

function fields(check: Check, content: CheckContent, options: { readonly annotate: boolean }): object {
  return {
    external_id: check.shown.externalId,
    details_url: content.detailsUrl,
    status: content.status,
    ...(content.conclusion === null ? {} : { conclusion: content.conclusion }),
    ...(content.startedAt === null ? {} : { started_at: content.startedAt }),
    ...(content.completedAt === null || content.status !== "completed" ? {} : { completed_at: content.completedAt }),
    output: checkOutput(content, options),
  };
}

function shownRun(answer: Outcome<ApiAnswer>, status: 200 | 201): Outcome<{ hostId: string }> {
  if (!answer.ok) return answer;
  if (answer.value.status !== status) return reportRefusal(answer.value);
  const result = checkRunSchema.safeParse(answer.value.body);
  return result.success ? ok({ hostId: result.data.id }) : misshapen(answer.value);
}

function reportRefusal(answer: ApiAnswer): Outcome<never> {
  const refused = refusal(answer);
  if (refused.ok || answer.status !== 403) return refused;
  const advice = "The installation must grant checks: write; an owner may have to accept it.";
  return failed(`${refused.message} ${advice}`, { retryable: false });
}
