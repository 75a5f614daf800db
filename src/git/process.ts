import { spawn } from "node:child_process";

/** How a tool ended that was kept within limits. `code` null: a signal that is not ours ended it. */
export type LimitedEnd =
  | { readonly kind: "ended"; readonly code: number | null }
  | { readonly kind: "stopped" | "too-slow" | "too-much" }
  /** `why`: as the system calls it. */
  | { readonly kind: "not-started"; readonly why: string };

/** Between the request to end and the end. */
const GRACE_MS = 2_000;

// The shell makes way for the tool. Where a limit can not be set there is a tighter one already. 127: there is no such tool.
const LIMITED = 'ulimit -d "$1" 2>/dev/null; shift; exec "$@"';

/**
 * Runs a tool, and whatever it starts, in no folder of its own and with no input. Answers when all of them are gone, not
 * before; it never rejects.
 */
export function runLimited(options: {
  readonly command: readonly [string, ...string[]];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** KiB of memory that each of its processes may fill. */
  readonly maxData: number;
  /** Of what it writes, and of what it traces. */
  readonly maxBytes: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly output: (chunk: Buffer) => void;
  readonly errors: (chunk: Buffer) => void;
  /** What it writes to its file descriptor 3. */
  readonly trace: (chunk: Buffer) => void;
}): Promise<LimitedEnd> {
  const { signal, maxBytes } = options;
  if (signal.aborted) return Promise.resolve({ kind: "stopped" });
  const child = spawn("/bin/sh", ["-c", LIMITED, "sh", String(options.maxData), ...options.command], {
    cwd: "/",
    env: { ...options.env },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    // A process group of its own: git's connections are processes too.
    detached: true,
  });
  let ended: LimitedEnd | null = null;
  let killTimer: NodeJS.Timeout | undefined;

  function kill(name: NodeJS.Signals): void {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, name);
    } catch {
      // All of them ended meanwhile.
    }
  }
  function end(why: LimitedEnd): void {
    if (ended !== null) return;
    ended = why;
    kill("SIGTERM");
    killTimer = setTimeout(() => kill("SIGKILL"), GRACE_MS);
  }
  function counted(take: (chunk: Buffer) => void): (chunk: Buffer) => void {
    let bytes = 0;
    return (chunk) => {
      bytes += chunk.length;
      if (bytes > maxBytes) end({ kind: "too-much" });
      if (ended === null) take(chunk);
    };
  }

  return new Promise((resolve) => {
    const abort = () => end({ kind: "stopped" });
    const timer = setTimeout(() => end({ kind: "too-slow" }), options.timeoutMs);
    function settle(why: LimitedEnd): void {
      clearTimeout(timer);
      clearTimeout(killTimer);
      signal.removeEventListener("abort", abort);
      resolve(ended ?? why);
    }
    signal.addEventListener("abort", abort, { once: true });
    child.stdout?.on("data", counted(options.output));
    child.stderr?.on("data", options.errors);
    child.stdio[3]?.on("data", counted(options.trace));
    child.on("error", (error: NodeJS.ErrnoException) =>
      settle({ kind: "not-started", why: error.code ?? "no reason" }),
    );
    child.on("close", (code) => settle({ kind: "ended", code }));
  });
}
