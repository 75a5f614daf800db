import { describe, expect, it } from "@jest/globals";
import { createInbox } from "../../src/engine/inbox.ts";
import type { IncomingDelivery } from "../../src/engine/ports.ts";

function delivery(deliveryId: string, size = 2): IncomingDelivery {
  return {
    provider: "github",
    host: "default",
    deliveryId,
    event: "push",
    action: null,
    stream: "repo:1",
    repositoryId: "1",
    repositoryName: "acme/api",
    installationId: "7",
    receivedAt: Date.UTC(2026, 10, 20, 10),
    body: Buffer.alloc(size),
  };
}

interface Write {
  readonly ids: readonly string[];
  /** Makes the write durable. */
  finish(): void;
  fail(): void;
}

/** A journal whose writes end when the test says so. */
function heldJournal() {
  const writes: Write[] = [];
  const known = new Set<string>();
  return {
    writes,
    append(batch: readonly IncomingDelivery[]): Promise<readonly boolean[]> {
      return new Promise((resolve, reject) => {
        const ids = batch.map((one) => one.deliveryId);
        writes.push({
          ids,
          finish: () => resolve(ids.map((id) => known.size < known.add(id).size)),
          fail: () => reject(new Error("disk full")),
        });
      });
    },
  };
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** Waits for the given write to begin. */
async function begun(writes: readonly Write[], index: number): Promise<Write> {
  const deadline = Date.now() + 5_000;
  for (;;) {
    const write = writes[index];
    if (write !== undefined) return write;
    if (Date.now() > deadline) throw new Error(`write ${index} never began`);
    await turn();
  }
}

/** Whether a promise is settled already. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  await turn();
  return Promise.race([promise.then(() => true), Promise.resolve(false)]);
}

describe("the inbox", () => {
  it("says nothing before the journal said that it is durable", async () => {
    const journal = heldJournal();
    const inbox = createInbox(journal);
    const accepted = inbox.accept(delivery("a"));
    const write = await begun(journal.writes, 0);
    expect(await settled(accepted)).toBe(false);
    expect(inbox.depth()).toBe(1);
    write.finish();
    expect(await accepted).toBe("stored");
    await inbox.drain();
    expect(inbox.depth()).toBe(0);
  });

  it("tells a known delivery from a new one, each sender its own answer", async () => {
    const journal = heldJournal();
    const inbox = createInbox(journal);
    const answers = ["a", "b", "a"].map((id) => inbox.accept(delivery(id)));
    (await begun(journal.writes, 0)).finish();
    expect(await Promise.all(answers)).toEqual(["stored", "stored", "known"]);
  });

  it("stores what arrives during a write together, in order, one write at a time", async () => {
    const journal = heldJournal();
    const inbox = createInbox(journal, { maxBatch: 3 });
    const answers = [inbox.accept(delivery("a"))];
    const first = await begun(journal.writes, 0);
    for (const id of ["b", "c", "d", "e"]) answers.push(inbox.accept(delivery(id)));
    await turn();
    expect(journal.writes).toHaveLength(1);
    first.finish();
    (await begun(journal.writes, 1)).finish();
    (await begun(journal.writes, 2)).finish();
    await Promise.all(answers);
    expect(journal.writes.map((write) => write.ids)).toEqual([["a"], ["b", "c", "d"], ["e"]]);
  });

  it("does not put huge bodies into one write, and lets a single one through whatever its size", async () => {
    const journal = heldJournal();
    const inbox = createInbox(journal);
    const huge = 20 * 1024 * 1024;
    const answers = [inbox.accept(delivery("a", huge)), inbox.accept(delivery("b", huge)), inbox.accept(delivery("c"))];
    for (const index of [0, 1, 2]) (await begun(journal.writes, index)).finish();
    await Promise.all(answers);
    expect(journal.writes.map((write) => write.ids)).toEqual([["a"], ["b"], ["c"]]);
  });

  it("fails a whole batch when the journal fails, goes on with the next, and tells why", async () => {
    const journal = heldJournal();
    const errors: unknown[] = [];
    const inbox = createInbox(journal, { onError: (error) => errors.push(error) });
    const answers = [inbox.accept(delivery("a")), inbox.accept(delivery("b"))];
    (await begun(journal.writes, 0)).fail();
    expect(await Promise.all(answers)).toEqual(["failed", "failed"]);
    expect(errors).toEqual([new Error("disk full")]);
    const retried = inbox.accept(delivery("a"));
    (await begun(journal.writes, 1)).finish();
    expect(await retried).toBe("stored");
  });

  it("never calls a delivery stored that the journal did not answer for", async () => {
    const inbox = createInbox({ append: () => Promise.resolve([true]) });
    const answers = [inbox.accept(delivery("a")), inbox.accept(delivery("b"))];
    expect(await Promise.all(answers)).toEqual(["stored", "failed"]);
  });

  it("turns deliveries away when too many, or too many bytes, wait", async () => {
    const journal = heldJournal();
    const inbox = createInbox(journal, { maxQueue: 2, maxQueueBytes: 1000 });
    const first = inbox.accept(delivery("a"));
    const write = await begun(journal.writes, 0);
    const large = inbox.accept(delivery("b", 900));
    expect(await inbox.accept(delivery("c", 101))).toBe("overloaded");
    const small = inbox.accept(delivery("d", 100));
    expect(await inbox.accept(delivery("e", 0))).toBe("overloaded");
    write.finish();
    (await begun(journal.writes, 1)).finish();
    expect(await Promise.all([first, large, small])).toEqual(["stored", "stored", "stored"]);
    const later = inbox.accept(delivery("f", 1000));
    (await begun(journal.writes, 2)).finish();
    expect(await later).toBe("stored");
  });

  it("answers late at the deadline, keeps the delivery in line, and knows it when it comes again", async () => {
    const journal = heldJournal();
    let stored = 0;
    const inbox = createInbox(journal, { deadlineMs: 20, onStored: () => (stored += 1) });
    const inFlight = inbox.accept(delivery("a"));
    const write = await begun(journal.writes, 0);
    const waiting = inbox.accept(delivery("b"));
    expect(await Promise.all([inFlight, waiting])).toEqual(["late", "late"]);
    write.finish();
    (await begun(journal.writes, 1)).finish();
    await inbox.drain();
    expect(journal.writes.map((one) => one.ids)).toEqual([["a"], ["b"]]);
    expect(stored).toBe(2);
    // As a host sends it again: on another inbox, with time enough even on a machine that is busy.
    const later = createInbox(journal, { onStored: () => (stored += 1) });
    const again = later.accept(delivery("b"));
    (await begun(journal.writes, 2)).finish();
    expect(await again).toBe("known");
    expect(stored).toBe(2);
  });

  it("gives each delivery its turn: a flood's stands further and further back", async () => {
    const turns: (number | undefined)[] = [];
    const inbox = createInbox({
      append: async (batch) => batch.map(({ turn }) => turns.push(turn) > 0),
    });
    await Promise.all(Array.from({ length: 100 }, (_, index) => inbox.accept(delivery(`d${index}`))));
    expect(turns[0]).toBe(delivery("d0").receivedAt);
    expect(turns[99]).toBeGreaterThan(delivery("d99").receivedAt);
  });

  it("drains at once when nothing waits", async () => {
    await createInbox(heldJournal()).drain();
  });
});
