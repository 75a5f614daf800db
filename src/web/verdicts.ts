import type { Build, Hold, Verdict } from "../core/model.ts";
import type { Store } from "../engine/store-port.ts";
import { shortRef, type TimeView, timeView } from "./present.ts";

/** What a build waits for or waited for, and who let it run. */
export interface HoldView {
  /** It still does. */
  readonly waits: boolean;
  readonly title: string;
  readonly detail: string;
  /** The approval counts for this commit alone. */
  readonly ofCommit: boolean;
  /** How many more builds run with it once it is approved, `2`, `at least 99`; null: none. */
  readonly others: string | null;
  readonly approved: { readonly by: string; readonly at: TimeView } | null;
}

const TITLES: Readonly<Record<Hold["reason"], string>> = {
  "awaiting-approval": "Waits for approval",
  brake: "Held: many builds at once",
};

/** Null: it never had to wait. */
export async function holdView(store: Pick<Store, "listBuilds">, build: Build, now: number): Promise<HoldView | null> {
  const { hold, approval, state } = build;
  if (hold === null) return null;
  const waits = state === "held";
  return {
    waits,
    title: TITLES[hold.reason],
    detail: hold.detail,
    ofCommit: hold.reason === "awaiting-approval",
    others: waits ? await othersHeld(store, build, hold) : null,
    approved:
      approval === null ? null : { by: approval.actor?.login ?? "the operator", at: timeView(approval.at, now) },
  };
}

async function othersHeld(store: Pick<Store, "listBuilds">, build: Build, { reason }: Hold): Promise<string | null> {
  const { items, next } = await store.listBuilds({ limit: 100, cursor: null, deliveryId: build.deliveryId });
  const alike = items.filter((one) => one.id !== build.id && one.state === "held" && one.hold?.reason === reason);
  if (alike.length === 0) return null;
  return next === null ? String(alike.length) : `at least ${alike.length}`;
}

export interface VerdictView {
  readonly verdict: Verdict["verdict"];
  readonly ref: string | null;
  readonly image: string | null;
  readonly rule: string | null;
  readonly reason: string | null;
  readonly detail: string;
  readonly facts: readonly { readonly name: string; readonly value: string }[];
  /** The facts are more than a glance takes in. */
  readonly long: boolean;
}

export interface TraceView {
  readonly verdicts: readonly VerdictView[];
  readonly count: number;
  /** How many are not shown. */
  readonly left: number;
  readonly open: boolean;
}

/** A file of hundreds of rules makes more rows than anybody reads, or a phone shows. */
const SHOWN = 300;
const OPEN = 12;
const GLANCE = 160;

export function traceView(trace: readonly Verdict[]): TraceView {
  const verdicts = trace.slice(0, SHOWN).map(verdictView);
  const count = trace.length;
  return { verdicts, count, left: count - verdicts.length, open: count <= OPEN };
}

function verdictView({ verdict, ref, image, rule, reason, detail, facts }: Verdict): VerdictView {
  const named = Object.entries(facts).map(([name, value]) => ({ name, value }));
  const length = named.reduce((sum, { name, value }) => sum + name.length + value.length, 0);
  return {
    verdict,
    ref: ref === null ? null : shortRef(ref),
    image,
    rule,
    reason,
    detail,
    facts: named,
    long: length > GLANCE,
  };
}
