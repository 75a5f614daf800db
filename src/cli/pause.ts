import type { By } from "../core/audit.ts";
import { oneLine } from "../core/markdown.ts";
import { hostKey, type PlannedBuild } from "../core/model.ts";
import { type Pause, pauseText, type Scope } from "../core/pause.ts";
import type { BuildCounts, ListedPause, PauseStore, Resumed, WaitingLane } from "../engine/pause-port.ts";
import { listedPauseJson, pausedJson, previewJson, resumedJson } from "../engine/pause-shapes.ts";
import { LOST, type Preview, type PreviewedLane, type Replay } from "../engine/replay.ts";
import type { Store } from "../engine/store-port.ts";
import { findInstallation } from "./accounts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

/** The database, and the hosts to ask what would be built. */
export type OpenPausing = Pick<PauseStore, "pause" | "resume" | "listPauses" | "countBuilds"> &
  Pick<Store, "listInstallations" | "repositoriesNamed" | "close"> &
  Pick<Replay, "preview">;

export interface PauseOptions {
  /** ACCOUNT or OWNER/NAME; null: the instance, or nothing was named. */
  readonly target: string | null;
  readonly instance: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

const OPERATOR: By = { kind: "operator" };

/**
 * `wharfinger pause [ACCOUNT|OWNER/NAME|--instance]`: nothing of it is begun any more; without a name: what is paused. 1: there
 * is no such installation or repository, or the name stands for several; 2: used wrongly.
 */
export async function pause(
  options: PauseOptions & { readonly stop: boolean },
  parts: OpenPausing,
  terminal: Terminal,
): Promise<ExitCode> {
  if (options.target === null && !options.instance) {
    if (!options.dryRun && !options.stop) return list(options, parts, terminal);
    const why = "say what: wharfinger pause ACCOUNT, OWNER/NAME or --instance";
    return refuse("pause", { code: 2, why }, terminal);
  }
  const named = await scopeOf(options, parts);
  if (!named.ok) return refuse("pause", named, terminal);
  const { scope, name } = named;
  const { json, dryRun, stop } = options;
  const gone = { code: 1, why: `${name} is not known here any more` } as const;
  const counts = await parts.countBuilds(scope);
  if (counts === null) return refuse("pause", gone, terminal);
  if (dryRun) {
    const builds = { queued: counts.queued, running: counts.running };
    terminal.out(json ? jsonLine({ name, dryRun, stop, builds }) : wouldPause(name, counts, stop));
    return 0;
  }
  const paused = await parts.pause(scope, { by: OPERATOR, stop });
  if (paused === null) return refuse("pause", gone, terminal);
  if (json) {
    terminal.out(jsonLine({ name, dryRun, ...pausedJson(scope, paused) }));
    return 0;
  }
  const { stopped, began } = paused;
  const lines = [
    began ? row("paused", name) : row("already", pauseText(paused.pause)),
    ...(stop ? [row("stopped", `${count(stopped, "build")}; they wait in the queue`)] : running(counts)),
    row("resume", resumeCommand(options)),
  ];
  terminal.out(table(lines));
  return 0;
}

/**
 * `wharfinger resume [ACCOUNT|OWNER/NAME|--instance]`: the newest of each lane that waited is built; with `--dry-run` it is
 * only said which that are. 1 and 2: as with {@link pause}.
 */
export async function resume(options: PauseOptions, parts: OpenPausing, terminal: Terminal): Promise<ExitCode> {
  if (options.target === null && !options.instance) {
    const why = "say what: wharfinger resume ACCOUNT, OWNER/NAME or --instance. What is paused: wharfinger pause";
    return refuse("resume", { code: 2, why }, terminal);
  }
  const named = await scopeOf(options, parts);
  if (!named.ok) return refuse("resume", named, terminal);
  const { scope, name } = named;
  const gone = { code: 1, why: `${name} is not known here any more` } as const;
  const { json, dryRun } = options;
  if (dryRun) {
    const preview = await parts.preview(scope);
    if (preview === null) return refuse("resume", gone, terminal);
    terminal.out(json ? jsonLine({ name, dryRun, ...previewJson(scope, preview) }) : wouldResume(name, preview));
    return 0;
  }
  const resumed = await parts.resume(scope, OPERATOR);
  if (resumed === null) return refuse("resume", gone, terminal);
  terminal.out(json ? jsonLine({ name, dryRun, ...resumedJson(scope, resumed) }) : resumedText(name, resumed));
  return 0;
}

type Named =
  | { readonly ok: true; readonly scope: Scope; readonly name: string }
  | { readonly ok: false; readonly code: 1 | 2; readonly why: string };

async function scopeOf({ target, instance }: PauseOptions, parts: OpenPausing): Promise<Named> {
  if (target === null) return { ok: true, scope: { kind: "instance" }, name: "this whole instance" };
  if (instance) return { ok: false, code: 2, why: "give a name or --instance, not both" };
  if (target.includes("/")) return repositoryOf(target, parts);
  const found = await findInstallation(parts, target);
  if (!found.ok) return { ...found, code: 1 };
  const { installation } = found;
  const name = `${installation.account.login} (${hostKey(installation)})`;
  return { ok: true, scope: { kind: "installation", id: installation }, name };
}

/** `OWNER/NAME`, or `PROVIDER:OWNER/NAME` where both hosts have one. */
async function repositoryOf(target: string, { repositoriesNamed }: OpenPausing): Promise<Named> {
  const [, provider, fullName = target] = /^(github|bitbucket):(.*)$/.exec(target) ?? [];
  const found = (await repositoriesNamed(fullName)).filter(
    (one) => provider === undefined || one.provider === provider,
  );
  const [only] = found;
  const typed = JSON.stringify(target);
  if (only === undefined) {
    const why = `no repository ${typed} is known here. Capital letters count; an account is named without a slash`;
    return { ok: false, code: 1, why };
  }
  if (found.length > 1) {
    const why = `${typed} stands for ${found.map(hostKey).join(" and ")}; write github:${fullName} or bitbucket:${fullName}`;
    return { ok: false, code: 1, why };
  }
  return { ok: true, scope: { kind: "repository", id: only }, name: `${fullName} (${hostKey(only)})` };
}

function refuse(command: string, { code, why }: { readonly code: ExitCode; readonly why: string }, { err }: Terminal) {
  err(`${command}: ${oneLine(why)}\n`);
  return code;
}

async function list({ json }: PauseOptions, parts: OpenPausing, { out }: Terminal): Promise<ExitCode> {
  const all = await parts.listPauses();
  out(json ? jsonLine({ items: all.map(listedPauseJson), next: null }) : listText(all));
  return 0;
}

function listText(all: readonly ListedPause[]): string {
  if (all.length === 0) return "Nothing is paused.\n";
  return all
    .map(({ scope, name, ...told }) => {
      const key = scope.kind === "instance" ? "" : ` (${hostKey(scope.id)})`;
      return `${oneLine(`${name}${key}: ${pauseText({ ...told, kind: scope.kind })}${stopText(told)}`)}\n`;
    })
    .join("");
}

function stopText({ stops }: Pick<Pause, "stops">): string {
  return stops ? "; what ran was stopped" : "";
}

function running({ running: runs }: BuildCounts): readonly Line[] {
  return runs === 0 ? [] : [row("running", `${count(runs, "build")} to the end; --stop stops them`)];
}

function resumeCommand({ target }: PauseOptions): string {
  return `wharfinger resume ${target ?? "--instance"}`;
}

function wouldPause(name: string, { queued, running: runs }: BuildCounts, stop: boolean): string {
  const ran = stop ? "would be stopped, and wait in the queue" : "would come to the end";
  const lines = [
    row("would pause", name),
    row("running", `${count(runs, "build")}, which ${ran}`),
    row("queued", `${count(queued, "build")}, which would wait`),
  ];
  return table(lines);
}

function resumedText(name: string, { ended, remaining, lanes, lost }: Resumed): string {
  const lines = [
    ended === null ? row("not paused", name) : row("resumed", name),
    ...remaining.map((pauseAbove) => row("still", pauseText(pauseAbove))),
    ...lanes.map((lane) => row("planned", laneText(lane))),
    ...lost.map((lane) => row("lost", `${laneText(lane)}: ${LOST}`)),
    ...(lanes.length + lost.length === 0 ? [row("nothing", "waited for it")] : []),
  ];
  return table(lines);
}

function wouldResume(name: string, { queued, lanes, further }: Preview): string {
  const lines = [
    row("would resume", name),
    row("queued", `${count(queued, "build")}, which would go on`),
    ...lanes.flatMap(previewLines),
    ...(further > 0 ? [row("further", `${further} more, which nobody looked at`)] : []),
    ...(lanes.length === 0 ? [row("nothing", "waits to be planned")] : []),
  ];
  return table(lines);
}

function previewLines({ lane, answer }: PreviewedLane): readonly Line[] {
  const where = laneText(lane);
  if (answer.kind === "unknown") return [row("not known", `${where}: ${answer.why}`)];
  const built = answer.builds.map((build) => row("would build", `${where}: ${buildText(build)}`));
  const held = answer.held.map((build) => row("would hold", `${where}: ${buildText(build)}`));
  const skips = answer.skips.map(({ image, detail }) => row("no build", `${where}: ${image ?? "all"}: ${detail}`));
  return [...built, ...held, ...(built.length + held.length === 0 ? skips : [])];
}

/** What a line says of what. */
type Line = readonly [label: string, text: string];

function row(label: string, text: string): Line {
  return [label, text];
}

function table(lines: readonly Line[]): string {
  return lines.map(([label, text]) => `${label.padEnd(12)}  ${oneLine(text)}\n`).join("");
}

function buildText({ image, tags, push }: PlannedBuild): string {
  return push ? `${image} as ${tags.join(", ")}` : `${image}, not published`;
}

function laneText({ repository, lane, sha }: Pick<WaitingLane, "repository" | "lane" | "sha">): string {
  const short = lane.replace(/^refs\/(?:heads|tags)\//, "");
  return `${repository.fullName} ${short}${sha === null ? "" : ` ${sha.slice(0, 7)}`}`;
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

function jsonLine(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
