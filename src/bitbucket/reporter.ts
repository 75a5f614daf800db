import { z } from "zod";
import type { CheckContent } from "../core/check.ts";
import { failed, type Outcome, ok } from "../core/model.ts";
import type { Reporter } from "../engine/ports.ts";
import type { BitbucketAccess } from "./access.ts";
import { type ApiAnswer, type ApiRequest, apiPath, misshapen, refusal, repositorySegments } from "./api.ts";
import {
  buildReport,
  buildStatus,
  keyOf,
  MAX_ANNOTATIONS,
  type Report,
  reportAnnotations,
  resolvedAnnotation,
} from "./report-content.ts";

type Check = Parameters<Reporter["show"]>[0];

/** Of a report: when it was made, and when it was written last. Neither is promised. */
const reportSchema = z.object({ created_on: z.string().nullish(), updated_on: z.string().nullish() });

const annotationsSchema = z.object({
  values: z.array(
    z.object({
      external_id: z.string().nullish(),
      path: z.string().nullish(),
      line: z.number().int().nullish(),
      result: z.string().nullish(),
    }),
  ),
});

/**
 * Shows checks as build statuses and, once they have ended, as Code Insights reports.
 *
 * Both have keys of ours, and writing one again overwrites it: a check whose creation is uncertain is simply written
 * again, and no request needs to be found or repeated here. A build costs at most four writes: its status when it begins
 * and when it has ended, its report, and the report's annotations. Where somebody has to approve it, saying so is one more.
 *
 * Checks of a pull request stand in its target's repository, also where its commit comes from a fork.
 */
export function createBitbucketReporter(options: { readonly access: Pick<BitbucketAccess, "call"> }): Reporter {
  const { access } = options;

  function send(check: Check, method: ApiRequest["method"], path: readonly string[], body?: object) {
    const { installation, repository, sha } = check;
    return access.call(
      { workspace: installation.id, repository: repository.id },
      {
        method,
        path: apiPath(
          [...repositorySegments(installation, repository), "commit", sha, ...path],
          method === "GET" ? { pagelen: String(MAX_ANNOTATIONS) } : {},
        ),
        ...(body === undefined ? {} : { body }),
      },
    );
  }

  async function showReport(check: Check, content: CheckContent, report: Report): Promise<Outcome<true>> {
    const path = ["reports", keyOf(check.name)];
    const put = judged(await send(check, "PUT", path, report));
    if (!put.ok) return put;
    const annotations = [...reportAnnotations(check.name, content)];
    if (isOverwritten(put.value)) {
      // Writing a report leaves its annotations as they are.
      const stale = await staleAnnotations(check, annotations.length);
      if (!stale.ok) return stale;
      annotations.push(...stale.value);
    }
    if (annotations.length === 0) return ok(true);
    const post = judged(await send(check, "POST", [...path, "annotations"], annotations));
    return post.ok ? ok(true) : post;
  }

  /** Annotations of an earlier run beyond the `count` places that this one takes, as they are to be now. */
  async function staleAnnotations(check: Check, count: number) {
    const answer = await send(check, "GET", ["reports", keyOf(check.name), "annotations"]);
    if (!answer.ok) return answer;
    if (answer.value.status === 404) return ok([]);
    if (answer.value.status !== 200) return reportRefusal(answer.value);
    const found = annotationsSchema.safeParse(answer.value.body);
    if (!found.success) return misshapen(answer.value);
    const ours = new RegExp(`^${keyOf(check.name)}-([1-9]\\d{0,2})$`);
    const stale = found.data.values.flatMap(({ external_id, path, line, result }) => {
      const place = Number(ours.exec(external_id ?? "")?.[1] ?? 0);
      if (!external_id || place <= count || place > MAX_ANNOTATIONS || result === "PASSED") return [];
      return [resolvedAnnotation({ external_id, ...(path ? { path } : {}), ...(line ? { line } : {}) })];
    });
    return ok(stale);
  }

  return {
    async show(check, content) {
      const hostId = keyOf(check.name);
      // Waiting and building look alike here: Bitbucket has one state for both.
      const underway = check.shown.hostId !== null && !check.shown.concluded;
      if (underway && content.status !== "completed") return ok({ hostId });
      // The status first: it is what merges wait for, and it must not be lost with a report that is refused.
      const status = await send(check, "POST", ["statuses", "build"], buildStatus(check.name, content));
      // A commit that is not there has nobody who looks at it: one that was in a fork, or went with its branch.
      if (status.ok && status.value.status === 404) return ok({ hostId });
      const written = judged(status);
      if (!written.ok) return written;
      const report = buildReport(check.name, content);
      const shown = report === null ? ok(true) : await showReport(check, content, report);
      return shown.ok ? ok({ hostId }) : shown;
    },
  };
}

/** True where in doubt: the price is one question. */
function isOverwritten(answer: ApiAnswer): boolean {
  const report = reportSchema.safeParse(answer.body);
  return report.success && (report.data.created_on ?? null) !== (report.data.updated_on ?? null);
}

function judged(answer: Outcome<ApiAnswer>): Outcome<ApiAnswer> {
  if (!answer.ok) return answer;
  return answer.value.status === 200 || answer.value.status === 201 ? answer : reportRefusal(answer.value);
}

function reportRefusal(answer: ApiAnswer): Outcome<never> {
  const refused = refusal(answer);
  if (refused.ok || answer.status !== 403) return refused;
  const advice = "Build statuses and reports need the scope repository, of this repository (reading is enough).";
  return failed(`${refused.message} ${advice}`, { retryable: false });
}
