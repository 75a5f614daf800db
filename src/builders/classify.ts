import type { Failure, FailureClass } from "../core/model.ts";
import { plainText } from "./lines.ts";

/** How a run of buildah ended badly. */
export interface BadEnd {
  /** `test`: the test target; `build`: the image; `push`: to the registry. */
  readonly part: "test" | "build" | "push";
  readonly code: number | null;
  /** The last lines of output, oldest first, masked. */
  readonly tail: readonly string[];
  readonly dockerfile: { readonly name: string; readonly text: string };
  readonly oomKills: number;
  readonly memoryBytes: number;
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
const SERVER_ERROR =
  /(?:status(?: code)?:? |HTTP response code |received unexpected HTTP status: )5\d\d|50[0-4] (?:Internal|Bad|Service|Gateway)/i;
const DENIED =
  /\bdenied\b|unauthorized|authentication required|insufficient_scope|invalid username\/password|\b40[13]\b/i;

/** Makes a failure of buildah's last words. Only its own final `Error:` counts; a RUN can print anything before it. */
export function classify(end: BadEnd): Classified {
  const lines = end.tail.map(plainText);
  const error = finalError(lines);
  const step = lastStep(lines);
  const at = step === null ? {} : lineOf(end.dockerfile.text, step);

  function say(kind: FailureClass, message: string, retryable = false, line: { line?: number } = at): Classified {
    return { failure: { class: kind, message: shorten(message), ...line }, retryable };
  }

  if (end.oomKills > 0) {
    const where = step === null ? "" : ` at \`${shorten(step, 120)}\``;
    const limit = `${Math.floor(end.memoryBytes / 1024 ** 2)} MiB`;
    return say(
      "out-of-memory",
      `The build needed more memory than the limit of ${limit}${where}. Make it use less, or ask the operator for a higher limit.`,
    );
  }
  if (/no space left on device/i.test(error)) {
    return say("internal", "The builder's disk is full. The operator has to make room.", true, {});
  }
  if (end.part === "push") return classifyPush(error, end.registry);

  const run = /building at STEP "[\s\S]*": while running runtime: exit status (\d+)$/.exec(error);
  if (run !== null) {
    const command = shorten(step ?? "RUN", 160);
    if (end.part === "test") {
      return say(
        "test",
        `The test target \`${end.target ?? ""}\` failed: \`${command}\` ended with exit code ${run[1]}. Nothing was published.`,
      );
    }
    return say("build", `\`${command}\` ended with exit code ${run[1]}. The lines before it in the log say why.`);
  }
  if (lines.some((line) => /^panic: |^goroutine \d+ \[/.test(line))) {
    if (step === null) return say("internal", "buildah crashed. The log shows where.");
    return say(
      "dockerfile",
      `buildah crashed on \`${shorten(step, 160)}\`; most likely the instruction lacks its arguments.`,
    );
  }
  return classifySource(error, end, say) ?? classifyDockerfile(error, step, end, say);
}

type Say = (kind: FailureClass, message: string, retryable?: boolean, line?: { line?: number }) => Classified;

/** Failures of getting a base image. */
function classifySource(error: string, end: BadEnd, say: Say): Classified | null {
  if (/rejected by policy/.test(error) || /initializing source (?!docker:\/\/)[a-z-]+:/.test(error)) {
    return say(
      "dockerfile",
      "FROM, COPY --from and RUN --mount may only name images of a registry and stages of the same file, no other place.",
      false,
      fromLine(end, error),
    );
  }
  const source =
    /(?:initializing source|reading manifest \S+ in|creating build container:.*?) ?(?:docker:\/\/)?(\S+?):? /.exec(
      error,
    );
  const isPull = /initializing source|creating build container|reading manifest|reading blob|reading config/.test(
    error,
  );
  if (!isPull) return null;
  const image = /initializing source (?:docker:\/\/)?(\S+?): /.exec(error)?.[1] ?? source?.[1] ?? "the base image";
  const line = fromLine(end, image);
  if (SERVER_ERROR.test(error) || /toomanyrequests/i.test(error)) {
    return say(
      "internal",
      `The registry of the base image ${image} answered with an error. Try again later.`,
      true,
      line,
    );
  }
  if (/manifest unknown|name unknown|not found|repository does not exist/i.test(error)) {
    return say(
      "dockerfile",
      `The base image ${image} does not exist in its registry. Check name and tag.`,
      false,
      line,
    );
  }
  if (UNREACHABLE.test(error)) {
    const ours = image.startsWith(`${end.registry}/`);
    return say(
      ours ? "internal" : "dockerfile",
      `The registry of the base image ${image} could not be reached from the builder.`,
      true,
      line,
    );
  }
  if (DENIED.test(error)) {
    return say(
      "dockerfile",
      `The base image ${image} does not exist or is private. Check its name, or publish it where this builder may read it.`,
      false,
      line,
    );
  }
  return say("dockerfile", `The base image ${image} could not be pulled: ${error}`, false, line);
}

function classifyDockerfile(error: string, step: string | null, end: BadEnd, say: Say): Classified {
  const target = /The target "(.*)" was not found/.exec(error);
  if (target !== null) {
    const stages = [...end.dockerfile.text.matchAll(/^\s*FROM\s+\S.*?\s+AS\s+(\S+)\s*$/gim)].map(
      (found) => `\`${found[1]}\``,
    );
    const there = stages.length > 0 ? `It has ${stages.slice(0, 10).join(", ")}.` : "It names no stages.";
    return say(
      "dockerfile",
      `\`${end.dockerfile.name}\` has no stage \`${shorten(target[1] ?? "", 80)}\`. ${there}`,
      false,
      {},
    );
  }
  if (/^no contents in/.test(error)) return say("dockerfile", `\`${end.dockerfile.name}\` is empty.`, false, {});
  if (/no FROM statement found/.test(error)) {
    return say("dockerfile", `\`${end.dockerfile.name}\` names no base image: FROM is missing or empty.`, false, {});
  }
  const unknown = /Unknown instruction: "(\w+)"/.exec(error);
  if (unknown !== null) {
    return say(
      "dockerfile",
      `\`${end.dockerfile.name}\` has an instruction that buildah does not know: ${unknown[1]}.`,
    );
  }
  const parse = /Dockerfile parse error line (\d+): (.*)/i.exec(error);
  if (parse !== null) {
    return say("dockerfile", `\`${end.dockerfile.name}\` can not be read: ${parse[2]}`, false, {
      line: Number(parse[1]),
    });
  }
  const missing = /copier: (?:stat|get: (?:lstat|globs?)): "([^"]*)".*no such file or directory/.exec(error);
  if (missing !== null) {
    const name = (missing[1] ?? "").replace(/^\//, "");
    return say(
      "dockerfile",
      `\`${shorten(step ?? "COPY", 120)}\`: there is no \`${shorten(name, 120)}\` in the context at this commit (or .dockerignore leaves it out).`,
    );
  }
  if (/no stage or image found with that name/.test(error)) {
    return say(
      "dockerfile",
      `\`${shorten(step ?? "COPY --from", 120)}\` names neither a stage of the file nor an image of a registry.`,
    );
  }
  const atStep = /building at STEP "[\s\S]*?": ([\s\S]*)$/.exec(error);
  if (atStep !== null || /^dockerfile|parsing|requires/i.test(error)) {
    const kind =
      step !== null && /^RUN\b/i.test(step) && !/requires|invalid mount/.test(error) ? end.part : "dockerfile";
    return say(
      kind === "push" ? "internal" : kind,
      `\`${shorten(step ?? end.dockerfile.name, 120)}\`: ${atStep?.[1] ?? error}`,
    );
  }
  return say(
    "internal",
    `buildah failed${end.code === null ? "" : ` with exit code ${end.code}`}: ${error || "it gave no reason"}`,
    false,
    {},
  );
}

function classifyPush(error: string, registry: string): Classified {
  const text = error || "buildah gave no reason";
  if (SERVER_ERROR.test(text)) {
    return {
      retryable: true,
      failure: {
        class: "push",
        message: `The registry ${registry} answered the push with an internal error. Try again later.`,
      },
    };
  }
  if (UNREACHABLE.test(text) && !DENIED.test(text)) {
    return {
      retryable: true,
      failure: { class: "push", message: `The registry ${registry} could not be reached for the push. Is it running?` },
    };
  }
  if (DENIED.test(text)) {
    return {
      retryable: false,
      failure: {
        class: "push",
        message: `The registry ${registry} denied the push. The operator should check the registry's user name and password, and that they may write here.`,
      },
    };
  }
  return { retryable: false, failure: { class: "push", message: shorten(`The push to ${registry} failed: ${text}`) } };
}

function finalError(lines: readonly string[]): string {
  const start = lines.findLastIndex((line) => line.startsWith("Error: "));
  return start < 0 ? "" : hidePaths(lines.slice(start).join("\n").slice("Error: ".length)).trim();
}

/** The folders of the sandbox mean nothing to people. */
function hidePaths(text: string): string {
  return text.replaceAll(/\/mnt\/job\/src\/?/g, "./").replaceAll(/\/mnt\/(?:job|scope)\/\S*/g, "(builder)");
}

function lastStep(lines: readonly string[]): string | null {
  const line = lines.findLast((one) => STEP.test(one));
  return line === undefined ? null : (STEP.exec(line)?.[1] ?? null);
}

// `STEP 2/5: RUN make`, with several stages `[1/2] STEP 2/5: RUN make`.
const STEP = /^(?:\[\d+\/\d+\] )?STEP \d+(?:\/\d+)?: (.+)$/;

/** The instruction's first line in the file; empty when it is not there exactly once. */
function lineOf(dockerfile: string, instruction: string): { line?: number } {
  const wanted = squeeze(instruction);
  const found = instructions(dockerfile).filter((one) => squeeze(one.text) === wanted);
  const [only] = found;
  return only !== undefined && found.length === 1 ? { line: only.line } : {};
}

function fromLine(end: BadEnd, words: string): { line?: number } {
  const froms = instructions(end.dockerfile.text).filter((one) =>
    /^(?:FROM\b|COPY\b.*--from=|RUN\b.*\bfrom=)/i.test(one.text),
  );
  const [only] = froms;
  if (only !== undefined && froms.length === 1) return { line: only.line };
  const named = froms.filter((one) =>
    one.text.split(/[\s=,]+/).some((word) => word.length > 2 && words.includes(word) && !/^from$/i.test(word)),
  );
  const [first] = named;
  return first !== undefined && named.length === 1 ? { line: first.line } : {};
}

/** Instructions with the line they begin at (1-based), continuation lines joined as buildah's STEP shows them. */
function instructions(dockerfile: string): readonly { readonly line: number; readonly text: string }[] {
  const all: { line: number; text: string }[] = [];
  let open: { line: number; text: string } | null = null;
  for (const [index, raw] of dockerfile.split(/\r?\n/).entries()) {
    if (/^\s*#/.test(raw) || (open === null && raw.trim() === "")) continue;
    const continues = /\\\s*$/.test(raw);
    const part = raw.replace(/\\\s*$/, "");
    if (open === null) open = { line: index + 1, text: part };
    else open.text += ` ${part}`;
    if (continues) continue;
    all.push(open);
    open = null;
  }
  if (open !== null) all.push(open);
  return all.map((one) => ({ line: one.line, text: one.text.trim() }));
}

function squeeze(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

function shorten(text: string, limit = 500): string {
  const line = squeeze(text);
  return line.length <= limit ? line : `${line.slice(0, limit - 1)}…`;
}
