/** Tells people of builds, at least once each; and looks after whom. */
import type { By } from "../core/audit.ts";
import type { HostId } from "../core/model.ts";
import { isEmail, type NoticeEvent, type NoticeKind, noticeText } from "../core/notices.ts";
import { backoff, isoTime } from "./loop.ts";
import { type ClaimedNotice, MAX_TARGETS, type NoticeStore, type NoticeTarget, type Notifier } from "./notices-port.ts";
import type { Clock, Logger, LogStore } from "./ports.ts";

export interface NoticesOptions {
  readonly store: Pick<NoticeStore, "claimNotices" | "endNotice" | "postponeNotice">;
  readonly notifiers: readonly Notifier[];
  readonly logs: Pick<LogStore, "tail">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly publicUrl: string;
}

const AT_ONCE = 10;
/** Longer than any send takes. */
const LEASE_MS = 2 * 60_000;
/** Some eight hours, by the pauses between. */
const MAX_ATTEMPTS = 15;
const FIRST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 60 * 60_000;
const TAIL_LINES = 30;

/** `step` tells what is due, and answers whether there was anything. */
export function createNotices(options: NoticesOptions): { step(): Promise<boolean> } {
  const { store, clock, log } = options;

  async function tell(claimed: ClaimedNotice): Promise<void> {
    const { id, target, event, build, attempts } = claimed;
    const fields = { notice: id, target: target.id, kind: target.kind, to: target.shown, build: build.id, event };
    const notifier = options.notifiers.find(({ kind }) => kind === target.kind);
    if (notifier === undefined) {
      log.warn(fields, "nobody was told: this way is not set up here");
      return store.endNotice(id, notSetUp(target.kind));
    }
    const tail = event === "failed" ? await options.logs.tail(build.id, TAIL_LINES) : [];
    const notice = noticeText(event, build, { url: `${options.publicUrl}/builds/${build.id}`, tail });
    const sent = await notifier.send(claimed.address, notice, `${id}.${target.id}`);
    if (sent.ok) {
      log.info(fields, "told of a build");
      return store.endNotice(id, null);
    }
    if (!sent.retryable || attempts >= MAX_ATTEMPTS) {
      log.warn({ ...fields, reason: sent.message, attempts }, "nobody was told: given up");
      return store.endNotice(id, sent.message);
    }
    const wait = Math.max(backoff(attempts, FIRST_PAUSE_MS, LONGEST_PAUSE_MS), (sent.retryAfter ?? 0) * 1_000);
    log.warn({ ...fields, reason: sent.message, waitMs: wait }, "nobody was told yet: tried again later");
    return store.postponeNotice(id, isoTime(clock.now() + wait));
  }

  return {
    async step() {
      const due = await store.claimNotices({ limit: AT_ONCE, leaseMs: LEASE_MS });
      const told = await Promise.allSettled(due.map(tell));
      // A bug with one must not keep the others from being told; it is due again after its lease.
      for (const [index, { status, ...rest }] of told.entries()) {
        if (status === "rejected") log.error({ ...rest, notice: due[index]?.id }, "a notice failed");
      }
      return due.length > 0;
    },
  };
}

function notSetUp(kind: NoticeKind): string {
  return kind === "email"
    ? "E-mail is not set up here: the operator has to set SMTP_URL and MAIL_FROM."
    : "Webhooks are not sent from here.";
}

export type Added =
  | { readonly kind: "added"; readonly target: NoticeTarget }
  /** `why`: a sentence that says what to do. */
  | {
      readonly kind: "refused";
      readonly reason: "bad-address" | "not-set-up" | "no-installation" | "full" | "known";
      readonly why: string;
    };

export type Tried = { readonly ok: true } | { readonly ok: false; readonly why: string };

/** What an owner does about whom is told. */
export interface NoticeDesk {
  add(
    wanted: {
      readonly installation: HostId;
      readonly kind: NoticeKind;
      readonly address: string;
      readonly events: readonly NoticeEvent[];
    },
    by: By,
  ): Promise<Added>;
  list(installation: HostId): Promise<readonly NoticeTarget[]>;
  /** False: there is none. */
  remove(installation: HostId, id: string, by: By): Promise<boolean>;
  /** Sends a test there. Null: there is none. */
  test(installation: HostId, id: string): Promise<Tried | null>;
}

export function createNoticeDesk({
  store,
  notifiers,
  clock,
}: {
  readonly store: Omit<NoticeStore, "claimNotices" | "endNotice" | "postponeNotice" | "eraseTargets">;
  readonly notifiers: readonly Notifier[];
  readonly clock: Clock;
}): NoticeDesk {
  const notifierOf = (kind: NoticeKind) => notifiers.find((one) => one.kind === kind) ?? null;

  return {
    async add({ installation, kind, address, events }, by) {
      const refuse = (reason: Extract<Added, { kind: "refused" }>["reason"], why: string): Added => ({
        kind: "refused",
        reason,
        why,
      });
      const shown = shownAddress(kind, address);
      if (shown === null) return refuse("bad-address", ADDRESSES[kind]);
      if (events.length === 0) return refuse("bad-address", "Say of what: failed, fixed or both.");
      const notifier = notifierOf(kind);
      if (notifier === null) return refuse("not-set-up", notSetUp(kind));
      const good = await notifier.check(address);
      if (!good.ok) return refuse("bad-address", good.message);
      const saved = await store.saveTarget({ installation, kind, shown, address, events }, by);
      if (saved === "unknown") return refuse("no-installation", "There is no such installation (any more).");
      if (saved === "known") return refuse("known", "This address is told already. Remove it first to change of what.");
      if (saved === "full")
        return refuse("full", `An installation tells ${MAX_TARGETS} addresses at most. Remove one first.`);
      return { kind: "added", target: saved };
    },
    list: (installation) => store.listTargets(installation),
    remove: (installation, id, by) => store.removeTarget(installation, id, by),
    async test(installation, id) {
      const found = await store.targetAddress(installation, id);
      if (found === null) return null;
      const { target, address } = found;
      const text = `This is a test of Wharfinger: ${target.shown} is told of builds.`;
      const notifier = notifierOf(target.kind);
      if (notifier === null) return { ok: false, why: notSetUp(target.kind) };
      const sent = await notifier.send(
        address,
        { subject: "A test of Wharfinger", text: `${text}\n`, chat: text },
        `test-${clock.now()}.${id}`,
      );
      return sent.ok ? { ok: true } : { ok: false, why: sent.message };
    },
  };
}

const ADDRESSES: Readonly<Record<NoticeKind, string>> = {
  email: "That is no e-mail address. Give one, such as team@acme.example.",
  webhook:
    "That is no https:// address without a user name. Copy it from Slack's (or Mattermost's …) incoming webhook.",
};

/** What of an address may be shown; null: it is none of its kind. */
function shownAddress(kind: NoticeKind, address: string): string | null {
  if (kind === "email") return isEmail(address) ? address : null;
  if (address.length > 2_000 || !URL.canParse(address)) return null;
  const { protocol, host, username, password } = new URL(address);
  return protocol === "https:" && username === "" && password === "" ? host : null;
}

/** Public JSON, of the API and the command line. */
export function targetJson({ id, kind, shown, events, madeAt, toldAt, problem }: NoticeTarget): object {
  return { id, kind, to: shown, events, madeAt, toldAt, problem };
}
