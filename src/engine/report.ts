/** What was recorded of a commit is shown on it: queued, in progress, and always a conclusion. */
import type { CheckContent } from "../core/check.ts";
import { checkContent } from "../core/explain.ts";
import type { Build, HostId } from "../core/model.ts";
import { backoff, isoTime } from "./loop.ts";
import type { Pauses } from "./pauses.ts";
import type { Clock, Logger, LogStore, Reporter } from "./ports.ts";
import type { ClaimedCheck, ShownCheck, Store } from "./store-port.ts";

const AT_ONCE = 8;
const LEASE_MS = 60_000;
/** A check whose host stays away is tried for about three days (doubling from 2 s to 30 min), then given up. */
const MAX_ATTEMPTS = 150;
const LOG_TAIL_LINES = 30;

export interface ReportOptions {
  readonly store: Pick<Store, "claimChecks" | "checkUncertain" | "checkShown" | "postponeCheck" | "dropCheck">;
  readonly logs: Pick<LogStore, "tail">;
  readonly reporter: (host: Pick<HostId, "provider" | "host">) => Reporter | null;
  readonly pauses: Pauses;
  readonly clock: Clock;
  readonly log: Logger;
  /** How people and hosts reach us, without a slash at the end. */
  readonly publicUrl: string;
  /** Host and port of a build's registry, for `docker pull`; null: it is not configured any more. */
  registryHost(build: Build): Promise<string | null>;
}

/** `step` shows what is due and answers whether there was anything. */
export function createReports(options: ReportOptions): { step(): Promise<boolean> } {
  const { store, pauses, clock, log } = options;

  async function step(): Promise<boolean> {
    const claimed = await store.claimChecks({ limit: AT_ONCE, leaseMs: LEASE_MS });
    await Promise.all(claimed.map(showOne));
    return claimed.length > 0;
  }

  /** Never rejects: the step ends when all of its checks have, and none of them takes others with it. */
  async function showOne(check: ClaimedCheck): Promise<void> {
    const fields = { check: check.name, sha: check.sha, repository: check.repository.fullName };
    try {
      await show(check, fields);
    } catch (error) {
      log.error({ ...fields, err: error }, "check failed");
      await afterThrown(check).catch((problem: unknown) => {
        log.error({ ...fields, err: problem }, "check not given back; its lease ends by itself");
      });
    }
  }

  /** A bug, or a database that is away: tried again, but not for ever. */
  function afterThrown(check: ClaimedCheck): Promise<void> {
    const note = "an internal error; the log has the details";
    return check.attempts >= MAX_ATTEMPTS
      ? store.dropCheck(check.id, check.revision, note)
      : later(check, note, backoff(check.attempts, 5_000, 30 * 60_000));
  }

  async function show(check: ClaimedCheck, fields: object): Promise<void> {
    const reporter = options.reporter(check.repository);
    if (reporter === null) return store.dropCheck(check.id, check.revision, "its host is no longer set up");
    const pause = pauses.left(check.installation);
    if (pause > 0) return later(check, "the host asked us to wait", pause);

    const content = await contentOf(check);
    if (content === null) return store.dropCheck(check.id, check.revision, "nothing to show");
    const shown = startOf(check.shown, content);
    if (shown.hostId === null && !check.shown.uncertain) {
      // Renewed meanwhile: claimed again at once, as what it is now.
      if (!(await store.checkUncertain(check.id, shown.externalId))) return later(check, "renewed", 0);
    }

    const result = await showOrConclude(reporter, { ...check, shown }, content);
    if (result.ok) {
      await store.checkShown(check.id, check.revision, {
        hostId: result.value.hostId,
        externalId: shown.externalId,
        uncertain: false,
        concluded: content.status === "completed",
      });
      log.info({ ...fields, status: content.status, conclusion: content.conclusion }, "check shown");
      return;
    }
    if (!result.retryable || check.attempts >= MAX_ATTEMPTS) {
      log.warn({ ...fields, reason: result.message }, "check given up");
      return store.dropCheck(check.id, check.revision, result.message);
    }
    if (result.retryAfter !== null) pauses.begin(check.installation, result.retryAfter);
    const wait = Math.max(backoff(check.attempts, 2_000, 30 * 60_000), (result.retryAfter ?? 0) * 1_000);
    log.warn({ ...fields, reason: result.message, waitMs: wait }, "check postponed");
    await later(check, result.message, wait);
  }

  async function later(check: ClaimedCheck, note: string, waitMs: number): Promise<void> {
    await store.postponeCheck(check.id, isoTime(clock.now() + waitMs), note);
  }

  async function contentOf(check: ClaimedCheck): Promise<CheckContent | null> {
    const broken = check.facts.builds.filter((build) => build.failure !== null);
    const tails = new Map<string, readonly string[]>();
    for (const build of broken) tails.set(build.id, await options.logs.tail(build.id, LOG_TAIL_LINES));
    const hosts = new Map<string, string | null>();
    for (const build of check.facts.builds) {
      if (build.digest !== null) hosts.set(build.registry, await options.registryHost(build));
    }
    return checkContent(check.name, check.facts, {
      buildUrl: (id) => `${options.publicUrl}/builds/${id}`,
      commitUrl: `${options.publicUrl}/builds`,
      logTail: (id) => tails.get(id) ?? [],
      registry: ({ registry }) => hosts.get(registry) ?? null,
      now: isoTime(clock.now()),
    });
  }

  return { step };
}

/**
 * A conclusion with every detail, or else the bare conclusion: a host that refuses the details, for whatever it dislikes
 * in them, must not leave a check open that others wait for.
 */
async function showOrConclude(
  reporter: Reporter,
  check: Parameters<Reporter["show"]>[0],
  content: CheckContent,
): ReturnType<Reporter["show"]> {
  const result = await reporter.show(check, content);
  if (result.ok || result.retryable || content.status !== "completed") return result;
  const bare = { ...content, summary: content.title, text: null, annotations: [], results: [] };
  // The first may have been created all the same.
  return reporter.show({ ...check, shown: { ...check.shown, uncertain: check.shown.hostId === null } }, bare);
}

/**
 * Which check of the host to write to. A concluded one is not reopened: hosts (and people) take a conclusion as final,
 * so work that begins after it gets a check of its own under the next external id.
 */
function startOf(shown: ShownCheck, content: CheckContent): ShownCheck {
  if (shown.uncertain || !shown.concluded || content.status === "completed") return shown;
  return { ...shown, hostId: null, externalId: nextExternalId(shown.externalId), concluded: false };
}

/** `check-7.1` becomes `check-7.2`. */
export function nextExternalId(id: string): string {
  const [stem, n] = [id.slice(0, id.lastIndexOf(".")), Number(id.slice(id.lastIndexOf(".") + 1))];
  return Number.isSafeInteger(n) && stem !== "" ? `${stem}.${n + 1}` : `${id}.2`;
}
