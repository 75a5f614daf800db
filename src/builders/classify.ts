import { plainText } from "../core/log-lines.ts";
import type { Failure, FailureClass } from "../core/model.ts";
import {
  type Instruction,
  lineOfInstruction,
  lineOfSource,
  parseInstructions,
  squeeze,
  stageNames,
} from "./instructions.ts";

/** How a run of buildah ended badly. */
export interface BadEnd {
  /** `test`: the test target; `build`: the image; `push`: to the registry. */
  readonly part: "test" | "build" | "push";
  readonly code: number | null;
  /** The last lines of output, oldest first, masked. */
  readonly tail: readonly string[];
  readonly dockerfile: { readonly name: string; readonly text: string };
  /** Processes the kernel killed because the memory limit was reached. */
  readonly oomKills: number;
  readonly memoryBytes: number;
  /** Of the build. */
  readonly network: "none" | "internet" | "host";
  /** Host and port of the registry pushed to. */
  readonly registry: string;
  readonly target: string | null;
}

export interface Classified {
  readonly failure: Failure;
  readonly retryable: boolean;
}

const UNREACHABLE =
  /pinging container registry|dial tcp|no such host|i\/o timeout|connection (?:refused|reset)|TLS handshake timeout|unexpected EOF/i;
/** What builds reach, for those that wanted more. */
const REACH = {
  none: " Builds have no network here, only the way to the registry they publish to.",
  internet: " Builds reach the public internet only: private addresses and the builder's machine are closed to them.",
  host: "",
};
const SERVER_ERROR = /(?:status(?: code)?:? |HTTP response code )5\d\d|50[0-4] (?:Internal|Bad|Service|Gateway)/i;
const DENIED =
  /\bdenied\b|unauthorized|authentication required|insufficient_scope|invalid username\/password|\b40[13]\b/i;
const ABSENT = /manifest unknown|name unknown|not found|repository does not exist/i;

// `STEP 2/5: RUN make`, with several stages `[1/2] STEP 2/5: RUN make`.
const STEP = /^(?:\[\d+\/\d+\] )?STEP \d+(?:\/\d+)?: (.+)$/;
/** Characters of buildah's own error that are looked at. */
const LONGEST_ERROR = 16_384;

/** Makes a failure of buildah's last words. Only its own final `Error:` counts; a RUN can print anything before it. */
export function classify(end: BadEnd): Classified {
  const lines = end.tail.map(plainText);
  const error = finalError(lines);
  const file = parseInstructions(end.dockerfile.text);
  const step = failedStep(lines, error, file);

  if (end.oomKills > 0) {
    const where = step === null ? "" : ` at ${quote(step.text)}`;
    const limit = `${Math.floor(end.memoryBytes / 1024 ** 2)} MiB`;
    const advice = "Make it use less, or ask the operator for a higher limit.";
    return say("out-of-memory", `The build needed more memory than the limit of ${limit}${where}. ${advice}`, step);
  }
  if (/no space left on device/i.test(error)) {
    return retryable(say("internal", "The builder's disk is full. The operator has to make room."));
  }
  if (end.part === "push") return classifyPush(error, end.registry);

  // With this one buildah crashes or runs an empty command, depending on what is in its cache.
  if (step !== null && /^\w+$/.test(step.text)) {
    return say("dockerfile", `${quote(step.text)} stands alone: the instruction lacks its arguments.`, step);
  }
  const status = /": while running runtime: exit status (\d+)$/.exec(error)?.[1];
  if (status !== undefined) {
    const what = `${quote(step?.text ?? "RUN")} ended with exit code ${status}.`;
    if (end.part === "build") return say("build", `${what} The lines before it in the log say why.`, step);
    return say("test", `The test target ${quote(end.target ?? "")} failed: ${what} Nothing was published.`, step);
  }
  if (error === "" && lines.some((line) => /^(?:panic: |goroutine \d+ \[)/.test(line))) {
    return say(
      "internal",
      `buildah crashed${step === null ? "" : ` on ${quote(step.text)}`}. The log shows where.`,
      step,
    );
  }
  return classifySource(error, file, end) ?? classifyDockerfile(error, step, file, end);
}

interface Step {
  readonly text: string;
  readonly line: number | null;
}

/** The instruction that failed: named in the error (there sometimes altered), and by the last `STEP` that was begun. */
function failedStep(lines: readonly string[], error: string, file: readonly Instruction[]): Step | null {
  const named = /^building at STEP "([\s\S]*?)": /.exec(error)?.[1];
  const begun = lines.findLast((line) => STEP.test(line))?.replace(STEP, "$1");
  const steps = [named, begun]
    .filter((text) => text !== undefined)
    .map((text) => ({ text: squeeze(text), line: lineOfInstruction(file, text) }));
  return steps.find((step) => step.line !== null) ?? steps.at(-1) ?? null;
}

/** Failures of getting a base image; null: it is none. */
function classifySource(error: string, file: readonly Instruction[], { registry, network }: BadEnd): Classified | null {
  if (/rejected by policy/.test(error) || /initializing source (?!docker:\/\/)[a-z-]+:/.test(error)) {
    const rule = "FROM, COPY --from and RUN --mount may only name stages of the same file and images of a registry.";
    return say("dockerfile", rule, at(lineOfSource(file, error)));
  }
  if (!/creating build container: |initializing source |reading manifest |reading blob /.test(error)) return null;
  const image = /initializing source docker:\/\/(\S+?): /.exec(error)?.[1] ?? "it needs";
  const where = at(lineOfSource(file, image));
  if (SERVER_ERROR.test(error) || /toomanyrequests/i.test(error)) {
    const message = `The registry of the base image ${image} answered with an error. Try again later.`;
    return retryable(say("internal", message));
  }
  if (ABSENT.test(error)) {
    return say("dockerfile", `The base image ${image} does not exist in its registry. Check name and tag.`, where);
  }
  if (UNREACHABLE.test(error)) {
    const message = `The registry of the base image ${image} could not be reached from the builder.`;
    // Another registry's name may be a slip of the pen; our own is there.
    if (image.startsWith(`${registry}/`)) return retryable(say("internal", message));
    return retryable(say("dockerfile", `${message}${REACH[network]}`, where));
  }
  if (DENIED.test(error)) {
    const advice = "Check its name, or publish it where this builder may read it.";
    return say("dockerfile", `The base image ${image} does not exist or is private. ${advice}`, where);
  }
  return say("dockerfile", `The base image ${image} could not be pulled: ${error}`, where);
}

function classifyDockerfile(error: string, step: Step | null, file: readonly Instruction[], end: BadEnd): Classified {
  const name = quote(end.dockerfile.name);
  const target = /The target "(.*)" was not found/.exec(error)?.[1];
  if (target !== undefined) {
    const stages = stageNames(file).slice(0, 10).map(quote).join(", ");
    const there = stages === "" ? "It names no stages." : `It has ${stages}.`;
    return say("dockerfile", `${name} has no stage ${quote(target)}. ${there}`);
  }
  if (error.startsWith("no contents in")) return say("dockerfile", `${name} is empty.`);
  if (error.includes("no FROM statement found")) {
    return say("dockerfile", `${name} names no base image: FROM is missing or empty.`);
  }
  const unknown = /Unknown instruction: "(\w+)"/.exec(error)?.[1];
  if (unknown !== undefined) {
    return say("dockerfile", `${name} has an instruction that buildah does not know: ${unknown}.`, step);
  }
  const parse = /parse error (?:on )?line (\d+): (.*)/i.exec(error);
  if (parse !== null) return say("dockerfile", `${name} can not be read: ${parse[2]}`, at(Number(parse[1])));
  const missing = /copier: (?:stat|get: (?:lstat|globs?)): "\/?([^"]*)".*no such file or directory/.exec(error)?.[1];
  if (missing !== undefined) {
    const what = `there is no ${quote(missing)} in the context at this commit (or .dockerignore leaves it out)`;
    return say("dockerfile", `${quote(step?.text ?? "COPY")}: ${what}.`, step);
  }
  if (error.includes("no stage or image found with that name")) {
    const what = "names neither a stage of the file nor an image of a registry.";
    return say("dockerfile", `${quote(step?.text ?? "COPY --from")} ${what}`, step);
  }
  const reason = /^building at STEP "[\s\S]*?": ([\s\S]*)$/.exec(error)?.[1];
  if (reason !== undefined && step !== null) {
    if (/^ADD /i.test(step.text) && UNREACHABLE.test(reason)) {
      return say("dockerfile", `${quote(step.text)}: the address could not be reached.${REACH[end.network]}`, step);
    }
    const isBuild = /^RUN /i.test(step.text) && !/requires|invalid mount|mount option/.test(reason);
    return say(isBuild && end.part !== "push" ? end.part : "dockerfile", `${quote(step.text)}: ${reason}`, step);
  }
  const code = end.code === null ? "" : ` with exit code ${end.code}`;
  return say("internal", `buildah failed${code}: ${error === "" ? "it gave no reason" : error}`);
}

function classifyPush(error: string, registry: string): Classified {
  if (SERVER_ERROR.test(error)) {
    return retryable(
      say("push", `The registry ${registry} answered the push with an internal error. Try again later.`),
    );
  }
  if (DENIED.test(error)) {
    const advice = "The operator should check the registry's user name and password, and that they may write here.";
    return say("push", `The registry ${registry} denied the push. ${advice}`);
  }
  if (UNREACHABLE.test(error)) {
    return retryable(say("push", `The registry ${registry} could not be reached for the push. Is it running?`));
  }
  return say("push", `The push to ${registry} failed: ${error === "" ? "buildah gave no reason" : error}`);
}

function say(kind: FailureClass, message: string, where: { readonly line: number | null } | null = null): Classified {
  const line = where === null || where.line === null ? {} : { line: where.line };
  return { failure: { class: kind, message: shorten(message, 500), ...line }, retryable: false };
}

function retryable(classified: Classified): Classified {
  return { ...classified, retryable: true };
}

function at(line: number | null): { readonly line: number | null } {
  return { line };
}

function finalError(lines: readonly string[]): string {
  const start = lines.findLastIndex((line) => line.startsWith("Error: "));
  if (start < 0) return "";
  return hidePaths(lines.slice(start).join("\n").slice("Error: ".length, LONGEST_ERROR)).trim();
}

/** The folders of the sandbox mean nothing to people. */
function hidePaths(text: string): string {
  return text.replaceAll(/\/mnt\/job\/src\/?/g, "./").replaceAll(/\/mnt\/(?:job|scope)\/[^\s"]*/g, "(builder)");
}

function quote(text: string): string {
  return `\`${shorten(text, 160).replaceAll("`", "'")}\``;
}

function shorten(text: string, limit: number): string {
  const line = squeeze(text);
  return line.length <= limit ? line : `${line.slice(0, limit - 1)}…`;
}
