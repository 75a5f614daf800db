import { describe, expect, it } from "@jest/globals";
import { failed, type Outcome, ok } from "../../src/core/model.ts";
import type { Notice } from "../../src/core/notices.ts";
import { createNoticeDesk, createNotices } from "../../src/engine/notices.ts";
import type { ClaimedNotice, NewTarget, NoticeTarget, Notifier } from "../../src/engine/notices-port.ts";
import { aBuild } from "../web/world.ts";
import { recordingLog } from "./fakes.ts";

const INSTALLATION = { provider: "github", host: "default", id: "7" } as const;
const NOW = Date.parse("2026-11-20T10:00:00Z");
const TARGET = { id: "t1", kind: "webhook", shown: "hooks.example", installation: INSTALLATION } as const;

function claimed(more: Partial<ClaimedNotice> = {}): ClaimedNotice {
  const build = aBuild({ state: "failed", failure: { class: "build", message: "exit status 2" } });
  return { id: "1", target: TARGET, address: "https://hooks.example/s", event: "failed", build, attempts: 1, ...more };
}

function teller(
  due: readonly ClaimedNotice[],
  answer: (address: string) => Outcome<true>,
  kind: Notifier["kind"] = "webhook",
) {
  const ended: unknown[] = [];
  const sent: { address: string; notice: Notice; id: string }[] = [];
  const { log, lines } = recordingLog();
  const notifier: Notifier = {
    kind,
    check: async () => ok(true),
    async send(address, notice, id) {
      sent.push({ address, notice, id });
      return answer(address);
    },
  };
  const waiting = [due];
  const notices = createNotices({
    store: {
      claimNotices: async () => waiting.shift() ?? [],
      endNotice: async (id, problem) => void ended.push({ id, problem }),
      postponeNotice: async (id, notBefore) => void ended.push({ id, notBefore }),
    },
    notifiers: [notifier],
    logs: { tail: async () => ["the end"] },
    clock: { now: () => NOW },
    log,
    publicUrl: "https://wharfinger.example",
  });
  return { notices, ended, sent, lines };
}

describe("telling", () => {
  it("sends what is due with the end of the log, under an id that stays", async () => {
    const { notices, ended, sent } = teller([claimed()], () => ok(true));
    expect(await notices.step()).toBe(true);
    expect(sent).toMatchObject([{ address: "https://hooks.example/s", id: "1.t1" }]);
    expect(sent[0]?.notice.text).toContain("    the end\n");
    expect(sent[0]?.notice.text).toContain("https://wharfinger.example/builds/b1");
    expect(ended).toEqual([{ id: "1", problem: null }]);
    expect(await notices.step()).toBe(false);
  });

  it("tries again later, longer each time, and no earlier than it is asked to", async () => {
    const away = (retryAfter: number | null) => () => failed("away", { retryable: true, retryAfter });
    const times: unknown[] = [];
    for (const [attempts, retryAfter] of [
      [1, null],
      [3, null],
      [12, null],
      [1, 120],
    ] as const) {
      const { notices, ended } = teller([claimed({ attempts })], away(retryAfter));
      await notices.step();
      times.push(...ended);
    }
    expect(times).toEqual([
      { id: "1", notBefore: "2026-11-20T10:00:10.000Z" },
      { id: "1", notBefore: "2026-11-20T10:00:40.000Z" },
      { id: "1", notBefore: "2026-11-20T11:00:00.000Z" },
      { id: "1", notBefore: "2026-11-20T10:02:00.000Z" },
    ]);
  });

  it.each([
    ["what can not be sent", claimed(), failed("gone", { retryable: false })],
    ["what failed too often", claimed({ attempts: 15 }), failed("gone", { retryable: true })],
  ])("gives up %s, and says so", async (_what, one, answer) => {
    const { notices, ended, lines } = teller([one], () => answer);
    await notices.step();
    expect(ended).toEqual([{ id: "1", problem: "gone" }]);
    expect(JSON.stringify(lines)).not.toContain("https://hooks.example/s");
  });

  it("gives up where the way is not set up any more", async () => {
    const { notices, ended, sent } = teller([claimed()], () => ok(true), "email");
    await notices.step();
    expect(ended).toEqual([{ id: "1", problem: "Webhooks are not sent from here." }]);
    expect(sent).toEqual([]);
  });

  it("tells the others where one breaks", async () => {
    const broken = claimed({ id: "2", address: "broken" });
    const { notices, ended } = teller([broken, claimed()], (address) => {
      if (address === "broken") throw new Error("a bug");
      return ok(true);
    });
    expect(await notices.step()).toBe(true);
    expect(ended).toEqual([{ id: "1", problem: null }]);
  });
});

describe("the desk", () => {
  function desk(checked: Outcome<true> = ok(true), saved: NoticeTarget | "unknown" | "full" | "known" = "unknown") {
    const kept: NewTarget[] = [];
    const sent: string[] = [];
    const notifier = (kind: Notifier["kind"]): Notifier => ({
      kind,
      check: async () => checked,
      send: async (address) => {
        sent.push(address);
        return checked;
      },
    });
    const made = createNoticeDesk({
      store: {
        async saveTarget(target) {
          kept.push(target);
          return saved;
        },
        removeTarget: async () => false,
        listTargets: async () => [],
        targetAddress: async (_installation, id) =>
          id === "t1" ? { target: TARGET, address: "https://hooks.example/s" } : null,
      },
      notifiers: [notifier("webhook"), notifier("email")],
      clock: { now: () => NOW },
    });
    return { desk: made, kept, sent };
  }
  const by = { kind: "operator" } as const;
  const wanted = {
    installation: INSTALLATION,
    kind: "webhook",
    address: "https://hooks.example/T0/s",
    events: ["failed"],
  } as const;

  it("keeps an address that was looked at, and shows of a webhook only its host", async () => {
    const { desk: made, kept } = desk();
    expect(await made.add(wanted, by)).toMatchObject({ kind: "refused", reason: "no-installation" });
    await made.add({ ...wanted, kind: "email", address: "team@acme.example" }, by);
    expect(kept.map(({ shown, address }) => [shown, address])).toEqual([
      ["hooks.example", "https://hooks.example/T0/s"],
      ["team@acme.example", "team@acme.example"],
    ]);
  });

  it.each([
    { ...wanted, address: "http://hooks.example/" },
    { ...wanted, address: "https://user:pass@hooks.example/" },
    { ...wanted, address: "hooks.example" },
    { ...wanted, address: `https://hooks.example/${"a".repeat(2_000)}` },
    { ...wanted, kind: "email" as const, address: "nobody" },
    { ...wanted, events: [] },
  ])("refuses what it can not tell (%#)", async (bad) => {
    const { desk: made, kept } = desk();
    expect(await made.add(bad, by)).toMatchObject({ kind: "refused", reason: "bad-address" });
    expect(kept).toEqual([]);
  });

  it("keeps nothing that leads where nothing may be sent", async () => {
    const { desk: made, kept } = desk(failed("It leads inside.", { retryable: false }));
    expect(await made.add(wanted, by)).toEqual({ kind: "refused", reason: "bad-address", why: "It leads inside." });
    expect(kept).toEqual([]);
  });

  it("says when there is no room, and what is told already", async () => {
    for (const reason of ["full", "known"] as const) {
      expect(await desk(ok(true), reason).desk.add(wanted, by)).toMatchObject({ kind: "refused", reason });
    }
  });

  it("sends a test to an address it knows, and says how that went", async () => {
    const { desk: made, sent } = desk();
    expect(await made.test(INSTALLATION, "t1")).toEqual({ ok: true });
    expect(sent).toEqual(["https://hooks.example/s"]);
    expect(await made.test(INSTALLATION, "t2")).toBeNull();
    const away = desk(failed("away", { retryable: true })).desk;
    expect(await away.test(INSTALLATION, "t1")).toEqual({ ok: false, why: "away" });
  });
});
