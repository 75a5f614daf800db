/** Asks hosts what there is to build in repositories, for people who look at them. Nothing is recorded or reported. */
import { setTimeout as delay } from "node:timers/promises";
import { failed, hostKey, type Installation, type Outcome, ok, type Repository } from "../core/model.ts";
import type { Pauses } from "./pauses.ts";
import type { Clock, Host, Logger, Survey } from "./ports.ts";
import type { ListedRepository } from "./store-port.ts";

/** A page that is loaded again asks nothing again, and what was pushed meanwhile is not kept from it for long. */
const REMEMBERED_MS = 10 * 60_000;
/** Repositories; of each at most a hundred paths. */
const REMEMBERED = 500;
/** Builds are what hosts are there for. */
const AT_ONCE = 4;

export interface Surveyed {
  /** As the host describes it now; its default branch is known where there is a survey. */
  readonly repository: Repository;
  /** Null: the host can not tell. */
  readonly survey: Survey | null;
  /** When it was asked. Milliseconds since 1970. */
  readonly at: number;
}

export interface Surveys {
  /** Fails without asking where the installation is not active, or the repository is not its or is paused. Never rejects. */
  survey(installation: Installation, repository: ListedRepository): Promise<Outcome<Surveyed>>;
  /**
   * The same of several, in their order, after `ms` at the latest: null is what was not there by then. Its answer is
   * waited for all the same, and remembered.
   */
  within(
    ms: number,
    installation: Installation,
    repositories: readonly ListedRepository[],
  ): Promise<readonly (Outcome<Surveyed> | null)[]>;
  /** Nothing is asked any more. */
  stop(): void;
}

type Asked = Pick<Host, "provider" | "host" | "look" | "survey">;

export function createSurveys(options: {
  readonly hosts: readonly Asked[];
  readonly pauses: Pauses;
  readonly clock: Clock;
  readonly log: Logger;
}): Surveys {
  const { hosts, pauses, clock, log } = options;
  const known = new Map<string, Surveyed>();
  const underWay = new Map<string, Promise<Outcome<Surveyed>>>();
  const waiting: (() => void)[] = [];
  let free = AT_ONCE;
  let stopped = false;

  function survey(installation: Installation, repository: ListedRepository): Promise<Outcome<Surveyed>> {
    const closed = whyClosed(installation, repository);
    if (closed !== null) return Promise.resolve(failed(closed, { retryable: false }));
    // Whoever renames the default branch asks about another one.
    const key = JSON.stringify([hostKey(installation), hostKey(repository), repository.defaultBranch]);
    const remembered = known.get(key);
    if (remembered !== undefined && clock.now() - remembered.at < REMEMBERED_MS) return Promise.resolve(ok(remembered));
    const shared = underWay.get(key);
    if (shared !== undefined) return shared;
    const asking = inTurn(installation, repository).then((answer) => {
      underWay.delete(key);
      if (answer.ok) remember(key, answer.value);
      return answer;
    });
    underWay.set(key, asking);
    return asking;
  }

  function remember(key: string, answer: Surveyed): void {
    known.delete(key);
    known.set(key, answer);
    for (const oldest of known.keys()) {
      if (known.size <= REMEMBERED) break;
      known.delete(oldest);
    }
  }

  async function inTurn(installation: Installation, repository: Repository): Promise<Outcome<Surveyed>> {
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
    else free -= 1;
    try {
      return await ask(installation, repository);
    } catch (error) {
      log.error({ err: error, repository: repository.fullName }, "a repository could not be surveyed");
      return failed("an internal error; the server's log has the details", { retryable: true });
    } finally {
      const next = waiting.shift();
      // The place goes from hand to hand: nobody who comes later takes it in between.
      if (next === undefined) free += 1;
      else next();
    }
  }

  /** What may have changed while it waited for its turn is looked at now. */
  async function ask(installation: Installation, named: Repository): Promise<Outcome<Surveyed>> {
    if (stopped) return failed("the server is stopping", { retryable: true });
    const left = pauses.left(installation);
    if (left > 0) {
      const seconds = Math.ceil(left / 1_000);
      return failed(`the host asked us to wait for ${seconds} s`, { retryable: true, retryAfter: seconds });
    }
    const host = hosts.find((one) => one.provider === installation.provider && one.host === installation.host);
    if (host === undefined) return failed("this server is not set up for its host", { retryable: false });
    const answer = await askHost(host, installation, named);
    if (!answer.ok && answer.retryAfter !== null) pauses.begin(installation, answer.retryAfter);
    return answer.ok ? ok({ ...answer.value, at: clock.now() }) : answer;
  }

  return {
    survey,
    async within(ms, installation, repositories) {
      const answers: (Outcome<Surveyed> | null)[] = repositories.map(() => null);
      const all = repositories.map(async (repository, index) => {
        answers[index] = await survey(installation, repository);
      });
      const patience = new AbortController();
      const end = delay(ms, undefined, { signal: patience.signal }).catch((error: unknown) => {
        if (!patience.signal.aborted) throw error;
      });
      await Promise.race([Promise.all(all), end]);
      patience.abort();
      return [...answers];
    },
    stop() {
      stopped = true;
    },
  };
}

function whyClosed({ state }: Installation, { link }: ListedRepository): string | null {
  if (state !== "active") return `the installation is ${state}`;
  if (link === "paused") return "the repository is paused";
  return link === "unlinked" ? "the installation does not cover it any more" : null;
}

async function askHost(
  host: Asked,
  installation: Installation,
  named: Repository,
): Promise<Outcome<Pick<Surveyed, "repository" | "survey">>> {
  const described = await describe(host, installation, named);
  if (!described.ok) return described;
  const repository = described.value;
  const answer = await host.survey(installation, repository);
  if (!answer.ok) return answer;
  const survey = answer.value;
  return ok({
    repository: survey === null ? repository : { ...repository, defaultBranch: survey.defaultBranch },
    survey,
  });
}

/** The repository as its host describes it, with its default branch where that is said here. */
async function describe(host: Asked, installation: Installation, named: Repository): Promise<Outcome<Repository>> {
  if (named.defaultBranch !== null) return ok(named);
  const looked = await host.look(installation, named);
  if (!looked.ok) return looked;
  const seen = looked.value;
  if (seen.kind === "gone") return failed("the host does not know it any more", { retryable: false });
  // Then its survey asks.
  if (seen.kind === "as-told") return ok(named);
  return seen.repository.defaultBranch === null
    ? failed("it has no commits", { retryable: false })
    : ok(seen.repository);
}
