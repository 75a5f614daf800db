/** Where builders outside this program are handed builds, and say what becomes of them. */
import type { BuildRequest, SignedRequest } from "../core/build-request.ts";
import { createLogLines, type LogLines, plainText } from "../core/log-lines.ts";
import { type Credential, createMasks, LONGEST_MASKED, type Masks } from "../core/masks.ts";
import type { BuildStep, Failure, Outcome } from "../core/model.ts";
import { type CredentialExchange, leaseUser } from "./credentials.ts";
import { isoTime } from "./loop.ts";
import type { BuildCredentials, LogStore, LogWriter } from "./ports.ts";
import { type AttemptEnd, createSettle, internal, readRequest, retryNote, type SettleOptions } from "./settle.ts";
import type { ClaimedBuild, LeaseState, Store } from "./store-port.ts";

export interface BuilderDeskOptions extends SettleOptions {
  readonly store: SettleOptions["store"] & Pick<Store, "claimBuild" | "heartbeat" | "leaseHolder" | "leaseEnded">;
  readonly logs: Pick<LogStore, "open">;
  /** Throws what tells a request nobody of us signed from one of ours. */
  verify(request: SignedRequest): Promise<BuildRequest>;
  /** Must give registry credentials of the one build only, or none: they leave this program. */
  readonly exchange: CredentialExchange;
  /** Name for leases; who asks is not known by name. */
  readonly worker: string;
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  /** How long a waiting claim sleeps when nobody wakes it. */
  readonly pollMs: number;
  /** Called when a build began, was staged or ended. */
  onChange(): void;
}

export interface BuilderDesk {
  /**
   * The next build, or the one that is named. Null: there is none within `waitMs`. Once `signal` is aborted nobody
   * would hear of the build, and none is handed out.
   */
  claim(options: {
    readonly build: string | null;
    readonly waitMs: number;
    readonly signal: AbortSignal;
  }): Promise<HandedOut | null>;
  /** The lease a token proves; null: none that holds. */
  open(token: string): Promise<DeskLease | null>;
  /** The token's lease was ended by {@link DeskLease.end}. */
  ended(token: string): Promise<boolean>;
  /** There may be builds to hand out. */
  wake(): void;
  /** Claims that wait get their answer, and no build is handed out any more. */
  stop(): Promise<void>;
}

export interface HandedOut {
  readonly build: string;
  readonly attempt: number;
  readonly request: SignedRequest;
  /** Proves the lease, and is all that does. */
  readonly token: string;
  readonly leaseMs: number;
  readonly heartbeatMs: number;
}

/** What whoever holds a lease may do. After `lost` nothing it does changes anything. */
export interface DeskLease {
  heartbeat(steps: readonly BuildStep[]): Promise<LeaseState>;
  credentials(): Promise<Outcome<BuildCredentials>>;
  log(text: Uint8Array): void;
  /** `stopped`: not built to the end; canceled if somebody asked for it, otherwise somebody else's turn. */
  end(end: DeskEnd, steps: readonly BuildStep[] | null): Promise<"recorded" | "lost">;
}

export type DeskEnd = Exclude<AttemptEnd, { readonly kind: "canceled" }> | { readonly kind: "stopped" };

/** A builder enforces the build's time itself; after this much more it is taken for hung. */
const OVERTIME_MS = 60_000;
/** From the first heartbeat that says a build is canceled until its lease ends, whatever the builder does. */
const CANCEL_MS = 30_000;
/** Claims that wait at the same time; each asks the database once a second. */
const MAX_WAITING = 64;

/** Characters of a failure's message. */
const LONGEST_MESSAGE = 1_000;

const HUNG: DeskEnd = {
  kind: "failed",
  failure: { class: "timeout", message: "The build was stopped because its builder let it run longer than it may." },
  retryable: false,
};

/** A lease that was handed out here. Its log is written here, and what was given out for it is masked there. */
interface Session {
  readonly claimed: ClaimedBuild;
  readonly writer: LogWriter;
  /** Both grow with what is given out. */
  credentials: readonly Credential[];
  secrets: readonly string[];
  masks: Masks;
  /** What the log says of it already. */
  readonly noted: Set<string>;
  readonly lines: LogLines;
  /** As of the last heartbeat. */
  steps: readonly BuildStep[];
  leaseUntil: number;
  /** Milliseconds since 1970. */
  deadline: number;
  cancel: boolean;
}

export function createBuilderDesk(options: BuilderDeskOptions): BuilderDesk {
  const { store, clock, log, leaseMs, heartbeatMs } = options;
  const settle = createSettle(options);
  const sessions = new Map<string, Session>();
  const waiting = new Set<() => void>();
  let stopping = false;

  async function next(build: string | null): Promise<HandedOut | null> {
    await closeLost();
    const claimed = await store.claimBuild({ worker: options.worker, leaseMs, build });
    if (claimed === null) return null;
    options.onChange();
    const writer = options.logs.open(claimed.build.id);
    const read = await readRequest(claimed, options.verify).catch((error: unknown) => {
      log.error({ err: error, build: claimed.build.id }, "build request can not be read");
      return { end: internal("The build request can not be read. The operator's log has the details; try again.") };
    });
    if ("end" in read) {
      await writer.close();
      await settle(claimed, read.end, []);
      options.onChange();
      return next(build);
    }
    const token = tokenOf(claimed);
    sessions.set(token, openSession(claimed, token, writer, read.request));
    const { id, planned, image } = claimed.build;
    log.info({ build: id, image, sha: planned.sha, attempt: claimed.attempt }, "build handed out");
    return { build: id, attempt: claimed.attempt, request: read.signed, token, leaseMs, heartbeatMs };
  }

  function openSession(claimed: ClaimedBuild, token: string, writer: LogWriter, { limits }: BuildRequest): Session {
    const now = clock.now();
    const username = leaseUser(claimed.build.id);
    const credentials = [claimed.secret, token].map((password) => ({ username, password }));
    const session: Session = {
      claimed,
      writer,
      credentials,
      secrets: [],
      masks: createMasks(credentials),
      noted: new Set(),
      lines: createLogLines({
        write: (text) => writer.write(text),
        mask: (text) => session.masks.mask(text),
        longestSecret: LONGEST_MASKED,
        maxBytes: limits.logBytes,
      }),
      steps: [],
      leaseUntil: now + leaseMs,
      deadline: now + limits.seconds * 1_000 + OVERTIME_MS,
      cancel: false,
    };
    return session;
  }

  /** In all that is logged from now on. What was given out before stays hidden, too. */
  function hide(session: Session, credentials: readonly Credential[], secrets: readonly string[]): void {
    const isNew = ({ password }: Credential) => session.credentials.every((known) => known.password !== password);
    const newCredentials = credentials.filter(isNew);
    const newSecrets = secrets.filter((secret) => !session.secrets.includes(secret));
    if (newCredentials.length + newSecrets.length === 0) return;
    session.credentials = [...session.credentials, ...newCredentials];
    session.secrets = [...session.secrets, ...newSecrets];
    session.masks = createMasks(session.credentials, session.secrets);
  }

  async function close(token: string, session: Session): Promise<void> {
    sessions.delete(token);
    session.lines.flush();
    await session.writer.close();
  }

  /** Of builders that were not heard of again. */
  async function closeLost(): Promise<void> {
    const now = clock.now();
    for (const [token, session] of sessions) if (session.leaseUntil <= now) await close(token, session);
  }

  async function sleep(ms: number, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      signal.addEventListener("abort", wake);
      waiting.add(wake);
      if (signal.aborted || stopping) wake();
    });
  }

  async function handBack({ claimed }: Session): Promise<boolean> {
    const { build, attempt } = claimed;
    const kept = await store.releaseBuild(build.id, attempt, isoTime(clock.now()));
    log.info({ build: build.id, attempt }, "build given back");
    return kept;
  }

  function leaseOf(token: string, session: Session): DeskLease {
    const { build, attempt, secret } = session.claimed;

    async function record(end: DeskEnd, steps: readonly BuildStep[]): Promise<"recorded" | "lost"> {
      const told = end.kind === "failed" ? { ...end, failure: cleanFailure(end.failure, session.masks) } : end;
      const note = told.kind === "stopped" ? null : retryNote(told, attempt);
      session.lines.flush();
      if (note !== null) session.lines.line(note);
      // First the log, then the end: checks quote the log's last lines as soon as a build has failed.
      await session.writer.close();
      const kept = told.kind === "stopped" ? await handBack(session) : await settle(session.claimed, told, steps);
      // Not before: what could not be recorded now may be told once more.
      sessions.delete(token);
      options.onChange();
      return kept ? "recorded" : "lost";
    }

    return {
      async heartbeat(steps) {
        const now = clock.now();
        if (now > session.deadline) {
          await record(session.cancel ? { kind: "stopped" } : HUNG, steps);
          return "lost";
        }
        const state = await store.heartbeat(build.id, attempt, leaseMs, steps);
        if (state === "lost") {
          await close(token, session);
          return state;
        }
        session.leaseUntil = now + leaseMs;
        session.steps = steps;
        if (state === "cancel" && !session.cancel) {
          session.cancel = true;
          session.deadline = Math.min(session.deadline, now + CANCEL_MS);
        }
        return state;
      },

      async credentials() {
        const exchanged = await options.exchange(build, secret);
        if (!exchanged.ok) return exchanged;
        const { clone, furtherRepositories = [], secrets = {}, notes = [] } = exchanged.value;
        const credentials = [clone, ...furtherRepositories.map((one) => one.credential)];
        hide(
          session,
          credentials.filter((one) => one !== null),
          Object.values(secrets),
        );
        // Also when a builder asks again, they are said once.
        for (const note of notes) {
          if (!session.noted.has(note)) session.lines.line(note);
          session.noted.add(note);
        }
        return exchanged;
      },

      log: (text) => session.lines.chunk(text),
      async end(end, steps) {
        return await record(end, steps ?? session.steps);
      },
    };
  }

  return {
    async claim({ build, waitMs, signal }) {
      const until = clock.now() + (waiting.size < MAX_WAITING ? waitMs : 0);
      for (;;) {
        if (stopping || signal.aborted) return null;
        const handed = await next(build);
        if (handed !== null) {
          if (!signal.aborted) return handed;
          // Nobody hears of it any more.
          const session = sessions.get(handed.token);
          if (session !== undefined) await leaseOf(handed.token, session).end({ kind: "stopped" }, []);
          return null;
        }
        const left = until - clock.now();
        if (left <= 0) return null;
        await sleep(Math.min(left, options.pollMs), signal);
      }
    },

    async open(token) {
      const parts = partsOf(token);
      const held = parts === null ? null : await store.leaseHolder(parts.build, parts.secret);
      const session = sessions.get(token);
      if (session === undefined) return null;
      if (held === null || held.build.attempt !== session.claimed.attempt) {
        await close(token, session);
        return null;
      }
      return leaseOf(token, session);
    },

    async ended(token) {
      const parts = partsOf(token);
      return parts !== null && (await store.leaseEnded(parts.build, parts.secret));
    },

    wake() {
      for (const wake of waiting) wake();
    },

    async stop() {
      stopping = true;
      for (const wake of waiting) wake();
      for (const [token, session] of sessions) await close(token, session);
    },
  };
}

/** Builders are not to look into it, and neither can they make one: the secret has 256 random bits. */
function tokenOf({ build, attempt, secret }: ClaimedBuild): string {
  return Buffer.from(`${build.id} ${attempt} ${secret}`, "utf8").toString("base64url");
}

const TOKEN_PARTS = /^([0-9A-Za-z-]{1,64}) \d{1,9} ([\w-]{1,100})$/;

function partsOf(token: string): { readonly build: string; readonly secret: string } | null {
  const [, build, secret] = TOKEN_PARTS.exec(Buffer.from(token, "base64url").toString("utf8")) ?? [];
  return build === undefined || secret === undefined ? null : { build, secret };
}

/** Fit for checks and pages: one line without escapes and without what was given out. */
function cleanFailure(failure: Failure, { mask }: Masks): Failure {
  const text = failure.message.split("\n").map(plainText).join(" ");
  return { ...failure, message: mask(text).slice(0, LONGEST_MESSAGE) };
}
