/** `wharfinger plan`: the server's own decision for one payload, without a server, a host or a registry. */
import type { HostEvent, ParseResult, PullRequestEvent, PushEvent } from "../core/events.ts";
import { parseFacts, type StatedFacts } from "../core/facts-file.ts";
import { oneLine } from "../core/markdown.ts";
import {
  type BuildPlan,
  type Change,
  DEFAULT_POLICY,
  type Provider,
  type Repository,
  type Sha,
} from "../core/model.ts";
import { namespaceFor } from "../core/namespaces.ts";
import { distinct, type PlanFacts, planBuilds, planOfSkip } from "../core/plan.ts";
import { type Planned, planReport, planText, type ReportedChange } from "../core/plan-report.ts";
import { pullRequestChange } from "../core/pulls.ts";
import type { ConfigFact, ParsedConfig } from "../core/repo-config/config.ts";
import { parseRepoConfig } from "../core/repo-config/parse.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

export interface PlanOptions {
  readonly provider: Provider;
  readonly event: string;
  /** A file, or a stored delivery. Of the files one may be `-`, standard input. */
  readonly payload: string | StoredPayload;
  readonly config: string | null;
  readonly facts: string | null;
  readonly json: boolean;
}

export interface StoredPayload {
  readonly body: string;
  /** Of whom it was verified to come; null: the payload says. */
  readonly installationId: string | null;
}

/** Payload parsers of the hosts this build knows; they never throw. */
export type PayloadParsers = {
  readonly [provider in Provider]?: (event: string, payload: unknown, installationId: string | null) => ParseResult;
};

/** Hosts that do not tell a repository's default branch with its pushes call it this, unless somebody chose another. */
const USUAL_BRANCH = "main";

/** Input nobody can plan with: its message is the whole answer. */
class UnusableInput extends Error {}

/** 0: a plan was printed; 1: printed, but the config file has errors; 2: unusable input, one line on standard error. */
export async function plan(options: PlanOptions, terminal: Terminal, parsers: PayloadParsers): Promise<ExitCode> {
  try {
    const planned = await decide(options, terminal, parsers);
    terminal.out(`${options.json ? JSON.stringify(planReport(planned), null, 2) : planText(planned)}\n`);
    return planned.plan.diagnostics.some(({ severity }) => severity === "error") ? 1 : 0;
  } catch (error) {
    if (error instanceof UnusableInput) {
      terminal.err(`plan: ${oneLine(error.message)}\n`);
      return 2;
    }
    throw error;
  }
}

async function decide(options: PlanOptions, terminal: Terminal, parsers: PayloadParsers): Promise<Planned> {
  const { provider, event } = options;
  if ([options.payload, options.config, options.facts].filter((path) => path === "-").length > 1) {
    throw new UnusableInput("only one of --payload, --config and --facts can be standard input (-)");
  }
  const { payload } = options;
  const body = typeof payload === "string" ? await read(payload, "--payload", terminal) : payload.body;
  const hostEvent = parsePayload(options, body, parsers);
  const facts = options.facts === null ? {} : statedFacts(await read(options.facts, "--facts", terminal));
  const file = options.config === null ? null : await read(options.config, "--config", terminal);
  const about = ("repository" in hostEvent ? hostEvent.repository : null) ?? null;
  const parsed = file === null ? null : parseFile(file, about);
  if (hostEvent.type !== "push" && hostEvent.type !== "pull_request") {
    const plan = withDiagnostics(planOfSkip(unsupported(event, hostEvent)), parsed);
    return { provider, event, repository: about, changes: [], plan };
  }
  const moved = movedBy(hostEvent);
  const changes = [...moved.map((change) => asTold(change, hostEvent)), ...unusableOf(hostEvent)];
  const named = facts.defaultBranch ?? hostEvent.repository.defaultBranch;
  if (named === null && (parsed !== null || facts.zeroConfig)) {
    terminal.err(
      `plan: note: the payload does not say which branch is the default one, so ${USUAL_BRANCH} is taken for it; ` +
        "--facts can say defaultBranch\n",
    );
  }
  const repository = { ...hostEvent.repository, defaultBranch: named ?? USUAL_BRANCH };
  const plan = withDiagnostics(planBuilds(planFacts(hostEvent, moved, { repository, parsed, facts })), parsed);
  return { provider, event, repository, changes, plan };
}

/** The planner looks at no file where nothing can be built; who names one here is told its errors in any case. */
function withDiagnostics(plan: BuildPlan, parsed: ParsedConfig | null): BuildPlan {
  return { ...plan, diagnostics: distinct([...(parsed?.diagnostics ?? []), ...plan.diagnostics]) };
}

async function read(path: string, option: string, terminal: Terminal): Promise<string> {
  try {
    const text = await (path === "-" ? terminal.stdin() : terminal.readFile(path));
    // Editors on Windows write a byte order mark, which JSON does not know.
    return text.replace(/^\ufeff/, "");
  } catch (error) {
    throw new UnusableInput(`${option} ${path} can not be read: ${messageOf(error)}`);
  }
}

function parsePayload(
  { provider, event, payload: given }: PlanOptions,
  text: string,
  parsers: PayloadParsers,
): HostEvent {
  const parse = parsers[provider];
  if (parse === undefined) {
    throw new UnusableInput(
      `payloads of ${provider} are not understood; understood: ${Object.keys(parsers).join(", ")}`,
    );
  }
  let payload: unknown;
  try {
    payload = JSON.parse(text);
  } catch (error) {
    throw new UnusableInput(`--payload is not JSON: ${messageOf(error)}`);
  }
  const parsed = parse(event, payload, typeof given === "string" ? null : given.installationId);
  if (!parsed.ok) {
    throw new UnusableInput(`--payload is not a ${provider} ${event} event: ${parsed.message}`);
  }
  return parsed.event;
}

function statedFacts(text: string): StatedFacts {
  const parsed = parseFacts(text);
  if (!parsed.ok) {
    throw new UnusableInput(`--facts: ${parsed.message}`);
  }
  return parsed.facts;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

type Moving = PushEvent | PullRequestEvent;

/** Hashes as the payload has them: a server asks the host for those that are abbreviated, here they stand for themselves. */
function movedBy(event: Moving): readonly Change[] {
  if (event.type === "push") return event.changes;
  const { source, target } = event;
  return [
    pullRequestChange(event, {
      head: source.commit as Sha | null,
      before: source.before as Sha | null,
      target: target.commit as Sha | null,
    }),
  ];
}

/** A closed pull request has nothing to build; what it was is shown all the same. */
function asTold(change: Change, event: Moving): ReportedChange {
  return event.type === "push" ? change : { ...change, after: event.source.commit };
}

function unusableOf(event: Moving): NonNullable<PushEvent["unusable"]> {
  return event.type === "push" ? (event.unusable ?? []) : [];
}

function unsupported(event: string, hostEvent: Exclude<HostEvent, Moving>): BuildPlan["skips"][number] {
  const why = hostEvent.type === "ignored" ? hostEvent.detail : `the event ${event} moves no branch or tag`;
  const nowhere = { ref: null, sha: null, image: null, rule: null };
  return { ...nowhere, reason: "unsupported-event", detail: `not built: ${why}` };
}

function parseFile(text: string, about: Pick<Repository, "fullName"> | null): ParsedConfig {
  return parseRepoConfig(text, { repositoryName: about?.fullName ?? "repository" });
}

function fileFact(parsed: ParsedConfig | null): ConfigFact {
  return parsed === null ? { kind: "missing", hint: null } : { kind: "read", parsed };
}

/** Left out: the default branch has the pushed commit's file. */
function grantingFact(text: string | null | undefined, own: ConfigFact, repository: Repository): ConfigFact {
  return text === undefined ? own : fileFact(text === null ? null : parseFile(text, repository));
}

/** What nobody stated is as a server would find it: installed, linked, its namespace named after the account. */
function planFacts(
  event: Moving,
  moved: readonly Change[],
  {
    repository,
    parsed,
    facts,
  }: { readonly repository: Repository; readonly parsed: ParsedConfig | null; readonly facts: StatedFacts },
): PlanFacts {
  const [owner = ""] = repository.fullName.split("/");
  const stated = facts.installation;
  const namespace = stated?.namespace === undefined ? namespaceFor({ login: owner }) : stated.namespace;
  const file = fileFact(parsed);
  const granting = grantingFact(facts.defaultBranchConfig, file, repository);
  const policy = { ...DEFAULT_POLICY, ...given(stated?.policy ?? {}) };
  return {
    repository,
    installation: stated === null ? null : { state: stated?.state ?? "active", namespace },
    link: stated?.link ?? "linked",
    unusable: unusableOf(event),
    changes: moved.map((change) => ({
      change,
      config: file,
      defaultBranchConfig: granting,
      changedPaths: facts.changedPaths ?? null,
      tags: facts.tags ?? null,
    })),
    imageOwners: new Map(),
    policy: { ...policy, zeroConfig: facts.zeroConfig ?? policy.zeroConfig },
    now: facts.now ?? new Date().toISOString(),
  };
}

/** Without what was left out. */
function given<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
