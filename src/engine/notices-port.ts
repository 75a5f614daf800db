/** Telling people of builds: whom, by what, and what waits to be told. */
import type { By } from "../core/audit.ts";
import type { Build, HostId, Outcome } from "../core/model.ts";
import type { Notice, NoticeEvent, NoticeKind } from "../core/notices.ts";

/** One address that is told of an installation's builds. */
export interface NoticeTarget {
  readonly id: string;
  readonly installation: HostId;
  readonly kind: NoticeKind;
  /** The e-mail address; of a webhook only its host, because whoever has the whole address can write there. */
  readonly shown: string;
  readonly events: readonly NoticeEvent[];
  readonly by: By;
  /** This and the others: ISO 8601, UTC. */
  readonly madeAt: string;
  /** When something was told there last; null: never. */
  readonly toldAt: string | null;
  /** Why the last one was given up; null: it was not. */
  readonly problem: { readonly at: string; readonly why: string } | null;
}

export interface NewTarget extends Pick<NoticeTarget, "installation" | "kind" | "shown" | "events"> {
  /** The whole address. */
  readonly address: string;
}

/** Something to be told, leased to one worker. */
export interface ClaimedNotice {
  readonly id: string;
  readonly target: Pick<NoticeTarget, "id" | "kind" | "shown" | "installation">;
  readonly address: string;
  readonly event: NoticeEvent;
  readonly build: Build;
  /** This one included. */
  readonly attempts: number;
}

/** More of one installation are none to look after. */
export const MAX_TARGETS = 20;

export interface NoticeStore {
  /** Not saved: the installation is not here (any more), has {@link MAX_TARGETS}, or the address is one of them. */
  saveTarget(target: NewTarget, by: By): Promise<NoticeTarget | "unknown" | "full" | "known">;
  /** With what waits to be told there. False: the installation has none of this id. */
  removeTarget(installation: HostId, id: string, by: By): Promise<boolean>;
  /** In the order they were made. */
  listTargets(installation: HostId): Promise<readonly NoticeTarget[]>;
  /** Of one target; null: the installation has none of this id. */
  targetAddress(installation: HostId, id: string): Promise<Pick<ClaimedNotice, "target" | "address"> | null>;
  /** All of an installation, for an uninstall. Answers how many there were. */
  eraseTargets(installation: HostId, by: By): Promise<number>;
  /**
   * What is due, oldest first. It was recorded by the end of the build, in its transaction, once for each target; what is
   * claimed and not ended is due again after the lease.
   */
  claimNotices(options: { readonly limit: number; readonly leaseMs: number }): Promise<readonly ClaimedNotice[]>;
  /** Null: it was told. Otherwise why it was given up, which its target keeps. */
  endNotice(id: string, problem: string | null): Promise<void>;
  postponeNotice(id: string, notBefore: string): Promise<void>;
}

/** One way to tell people something. */
export interface Notifier {
  readonly kind: NoticeKind;
  /** Whether it may be sent there at all: the address is of the right kind, and nothing that is ours to protect. */
  check(address: string): Promise<Outcome<true>>;
  /** `id` stays the same when something is sent again, so that whoever gets it twice can tell. */
  send(address: string, notice: Notice, id: string): Promise<Outcome<true>>;
}
