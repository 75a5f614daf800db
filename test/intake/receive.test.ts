import { afterEach, describe, expect, it } from "@jest/globals";
import { createInbox, type Inbox } from "../../src/engine/inbox.ts";
import type { IncomingDelivery } from "../../src/engine/ports.ts";
import { head, openWire, post, type Receiver, startReceiver } from "./wire.ts";

let receiver: Receiver | null = null;

afterEach(async () => {
  await receiver?.close();
  receiver = null;
});

async function start(options: Parameters<typeof startReceiver>[0]): Promise<Receiver> {
  receiver = await startReceiver(options);
  return receiver;
}

/** Accepts everything and remembers it. */
function memoryInbox(): Pick<Inbox, "accept"> & { readonly accepted: IncomingDelivery[] } {
  const accepted: IncomingDelivery[] = [];
  return {
    accepted,
    accept: (delivery) => {
      const known = accepted.some((one) => one.deliveryId === delivery.deliveryId);
      if (!known) accepted.push(delivery);
      return Promise.resolve(known ? "known" : "stored");
    },
  };
}

async function condition(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error("the condition never held");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("the intake", () => {
  it("answers 202 for a new delivery, 200 for a known one, on one connection", async () => {
    const inbox = memoryInbox();
    const { port, answers } = await start({ inbox });
    const wire = openWire(port);
    wire.send(post("a", "hello"));
    const first = await wire.until('{"stored":true}');
    expect(first).toMatch(/^HTTP\/1\.1 202 /);
    expect(first).toContain("content-type: application/json");
    wire.send(post("a", "hello"));
    expect(await wire.until('{"known":true}')).toContain("HTTP/1.1 200 ");
    wire.abort();
    expect(inbox.accepted.map((one) => one.body.toString())).toEqual(["hello"]);
    expect(answers).toEqual(["/hook 202 true", "/hook 200 true"]);
  });

  it("leaves other paths alone", async () => {
    const { port, answers } = await start({ inbox: memoryInbox() });
    const wire = openWire(port);
    wire.send("GET /elsewhere HTTP/1.1\r\nHost: test\r\n\r\n");
    expect(await wire.until("not a webhook")).toMatch(/^HTTP\/1\.1 404 /);
    wire.abort();
    expect(answers).toEqual([]);
  });

  it("takes two pipelined requests, and answers in order", async () => {
    const inbox = memoryInbox();
    const { port } = await start({ inbox });
    const wire = openWire(port);
    wire.send(post("a", "first") + post("b", "forged") + post("c", "third"));
    const answers = await wire.until('{"stored":true}HTTP/1.1 401');
    wire.abort();
    expect(answers).toMatch(/^HTTP\/1\.1 202 /);
    await condition(() => inbox.accepted.length === 2);
    expect(inbox.accepted.map((one) => one.deliveryId)).toEqual(["a", "c"]);
  });

  it("passes a body in many chunks on as one", async () => {
    const inbox = memoryInbox();
    const { port } = await start({ inbox });
    const wire = openWire(port);
    wire.send(`${head("a", "Transfer-Encoding: chunked")}3\r\nabc\r\n`);
    wire.send("2\r\nde\r\n0\r\n\r\n");
    await wire.until('{"stored":true}');
    wire.abort();
    expect(inbox.accepted[0]?.body.toString()).toBe("abcde");
  });

  it("takes a body of 25 MB", async () => {
    const inbox = memoryInbox();
    const { port } = await start({ inbox, maxBytes: 26 * 1024 ** 2 });
    const body = Buffer.alloc(25_000_000, "x");
    const wire = openWire(port);
    wire.send(head("a", `Content-Length: ${body.length}`));
    wire.send(body);
    await wire.until('{"stored":true}');
    wire.abort();
    expect(inbox.accepted[0]?.body.equals(body)).toBe(true);
  });

  it("takes an empty body to the entrance like any other", async () => {
    const inbox = memoryInbox();
    const { port } = await start({ inbox });
    const wire = openWire(port);
    wire.send(post("a", ""));
    await wire.until('{"stored":true}');
    wire.abort();
    expect(inbox.accepted[0]?.body.length).toBe(0);
  });
});

describe("the intake turns away", () => {
  it("a body announced too large before it comes, and closes", async () => {
    const inbox = memoryInbox();
    const { port } = await start({ inbox });
    const wire = openWire(port);
    wire.send(head("a", "Content-Length: 1001"));
    const answer = await wire.closed();
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain("connection: close");
    expect(answer).toContain('{"error":{"code":"too-large"');
    expect(inbox.accepted).toEqual([]);
  });

  it("a chunked body once it is too large, while it still comes", async () => {
    const inbox = memoryInbox();
    const { port } = await start({ inbox });
    const wire = openWire(port);
    wire.send(head("a", "Transfer-Encoding: chunked"));
    for (let chunk = 0; chunk < 3; chunk += 1) wire.send(`190\r\n${"x".repeat(0x190)}\r\n`);
    expect(await wire.closed()).toMatch(/^HTTP\/1\.1 413 /);
    expect(inbox.accepted).toEqual([]);
  });

  it("a sender who goes on writing after the refusal, with the answer still readable", async () => {
    const { port } = await start({ inbox: memoryInbox() });
    const wire = openWire(port);
    wire.send(head("a", "Content-Length: 100000000"));
    for (let part = 0; part < 100; part += 1) wire.send(Buffer.alloc(65_536));
    expect(await wire.closed()).toMatch(/^HTTP\/1\.1 413 /);
  });

  it("a body longer than announced: the rest is no request, and is not stored", async () => {
    const inbox = memoryInbox();
    const { port } = await start({ inbox });
    const wire = openWire(port);
    wire.send(`${head("a", "Content-Length: 5")}hello and more`);
    const answer = await wire.closed();
    expect(answer).toContain("HTTP/1.1 400 ");
    expect(inbox.accepted.map((one) => one.body.toString())).toEqual(["hello"]);
  });

  it("a body that stalls", async () => {
    const inbox = memoryInbox();
    const { port, answers } = await start({ inbox, limits: { bodyMs: 100 } });
    const wire = openWire(port);
    wire.send(head("a", "Content-Length: 200") + "x".repeat(100));
    expect(await wire.closed()).toMatch(/^HTTP\/1\.1 408 /);
    expect(inbox.accepted).toEqual([]);
    expect(answers).toEqual(["/hook 408 true"]);
  });

  it("a body that dribbles, however steadily", async () => {
    const inbox = memoryInbox();
    const { port } = await start({ inbox, limits: { bodyMs: 200 } });
    const wire = openWire(port);
    wire.send(head("a", "Content-Length: 900"));
    const dribble = setInterval(() => wire.send("x"), 10);
    const answer = await wire.closed();
    clearInterval(dribble);
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(inbox.accepted).toEqual([]);
  });

  it("a head that never ends", async () => {
    const { port } = await start({
      inbox: memoryInbox(),
      server: { headersTimeout: 200, connectionsCheckingInterval: 50 },
    });
    const wire = openWire(port);
    wire.send("POST /hook HTTP/1.1\r\nHost: test\r\n");
    const drip = setInterval(() => wire.send("X-More: y\r\n"), 20);
    const answer = await wire.closed();
    clearInterval(drip);
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("what its entrance refuses before the body, without waiting for it", async () => {
    const { port } = await start({ inbox: memoryInbox() });
    const wire = openWire(port);
    wire.send("PUT /hook HTTP/1.1\r\nHost: test\r\nContent-Length: 50\r\n\r\n");
    expect(await wire.closed()).toMatch(/^HTTP\/1\.1 405 /);
  });

  it("nobody who went away half-way into the journal", async () => {
    const inbox = memoryInbox();
    const { port, answers, arrived } = await start({ inbox });
    const wire = openWire(port);
    wire.send(`${head("a", "Content-Length: 10")}hello`);
    await condition(() => arrived() === 5);
    wire.abort();
    const next = openWire(port);
    next.send(post("b", "hello"));
    await next.until('{"stored":true}');
    next.abort();
    expect(inbox.accepted.map((one) => one.deliveryId)).toEqual(["b"]);
    expect(answers).toEqual(["/hook 202 true"]);
  });

  it("nobody who went away while their entrance looked something up, and waits for nothing of theirs", async () => {
    const inbox = memoryInbox();
    const waiting: (() => void)[] = [];
    const lookUp = () => new Promise<void>((resolve) => waiting.push(resolve));
    const { port, answers } = await start({ inbox, lookUp, limits: { bodyMs: 100 } });
    const wire = openWire(port);
    wire.send(`${head("a", "Content-Length: 10")}hello`);
    await condition(() => waiting.length === 1);
    wire.abort();
    const next = openWire(port);
    next.send(post("b", "hello"));
    await condition(() => waiting.length === 2);
    for (const found of waiting.reverse()) found();
    await next.until('{"stored":true}');
    // Longer than a body may take: whoever was waited for would be answered by now.
    await new Promise((resolve) => setTimeout(resolve, 300));
    next.abort();
    expect(inbox.accepted.map((one) => one.deliveryId)).toEqual(["b"]);
    expect(answers).toEqual(["/hook 202 true"]);
  });

  it("a request that makes an entrance fail, with 500 and never with 2xx", async () => {
    const inbox = memoryInbox();
    const { port } = await start({ inbox });
    const wire = openWire(port);
    wire.send(`${head("a", "Content-Length: 5", "X-Bug: 1")}hello`);
    expect(await wire.closed()).toMatch(/^HTTP\/1\.1 500 /);
    expect(inbox.accepted).toEqual([]);
  });
});

describe("the intake's memory", () => {
  const limits = { maxInFlightBytes: 1000 };

  it("has room for the next one after each is answered, refused or gone", async () => {
    const inbox = memoryInbox();
    const { port, answers } = await start({ inbox, limits: { ...limits, bodyMs: 100 } });
    const slow = openWire(port);
    slow.send(head("slow", "Content-Length: 900") + "x".repeat(899));
    expect(await slow.closed()).toMatch(/^HTTP\/1\.1 408 /);
    const gone = openWire(port);
    gone.send(head("gone", "Content-Length: 900") + "x".repeat(899));
    gone.abort();
    const forged = openWire(port);
    await condition(() => answers.length === 1);
    forged.send(post("forged", `forged${"x".repeat(890)}`));
    expect(await forged.until("signature")).toContain(" 401 ");
    forged.send(post("good", "x".repeat(900)));
    expect(await forged.until("stored")).toContain(" 202 ");
    forged.abort();
  });

  it("turns away what it has no room for, announced or not, and says when to come back", async () => {
    const waiting: (() => void)[] = [];
    const inbox: Pick<Inbox, "accept"> = {
      accept: () => new Promise((resolve) => waiting.push(() => resolve("stored"))),
    };
    const { port } = await start({ inbox, limits });
    const first = openWire(port);
    first.send(post("a", "x".repeat(800)));
    await condition(() => waiting.length === 1);
    const announced = openWire(port);
    announced.send(head("b", "Content-Length: 300"));
    const refusal = await announced.closed();
    expect(refusal).toMatch(/^HTTP\/1\.1 503 /);
    expect(refusal).toContain("retry-after: 10");
    const chunked = openWire(port);
    chunked.send(`${head("c", "Transfer-Encoding: chunked")}12c\r\n${"x".repeat(300)}\r\n`);
    expect(await chunked.closed()).toMatch(/^HTTP\/1\.1 503 /);
    const small = openWire(port);
    small.send(post("d", "x".repeat(200)));
    await condition(() => waiting.length === 2);
    for (const finish of waiting) finish();
    expect(await first.until("stored")).toContain(" 202 ");
    expect(await small.until("stored")).toContain(" 202 ");
    first.abort();
    small.abort();
  });

  it("keeps a part for ordinary bodies, however many huge ones come", async () => {
    const MiB = 1024 * 1024;
    const inbox = memoryInbox();
    const { port, arrived } = await start({ inbox, maxBytes: 4 * MiB, limits: { maxInFlightBytes: 4 * MiB } });
    const huge = openWire(port);
    huge.send(head("huge", `Content-Length: ${3 * MiB}`));
    huge.send(Buffer.alloc(3 * MiB - 1));
    await condition(() => arrived() === 3 * MiB - 1);
    const second = openWire(port);
    second.send(head("second", `Content-Length: ${MiB / 2}`));
    expect(await second.closed()).toMatch(/^HTTP\/1\.1 503 /);
    const ordinary = openWire(port);
    ordinary.send(post("ordinary", "x".repeat(10_000)));
    expect(await ordinary.until("stored")).toContain(" 202 ");
    huge.abort();
    ordinary.abort();
  });
});

describe("the intake never acknowledges what is not durable", () => {
  it("503 when the journal fails, and 202 once the same delivery could be stored", async () => {
    const stored: string[] = [];
    let broken = true;
    const inbox = createInbox({
      append: (batch) => {
        if (broken) return Promise.reject(new Error("disk full"));
        stored.push(...batch.map((one) => one.deliveryId));
        return Promise.resolve(batch.map(() => true));
      },
    });
    const { port } = await start({ inbox });
    const wire = openWire(port);
    wire.send(post("a", "hello"));
    const refusal = await wire.until("not-stored");
    expect(refusal).toMatch(/^HTTP\/1\.1 503 /);
    expect(refusal).not.toContain("disk full");
    broken = false;
    wire.send(post("a", "hello"));
    expect(await wire.until('{"stored":true}')).toContain("HTTP/1.1 202 ");
    wire.abort();
    expect(stored).toEqual(["a"]);
  });

  it("503 when the journal is slower than the host waits", async () => {
    let finish: (stored: readonly boolean[]) => void = () => undefined;
    const append = () =>
      new Promise<readonly boolean[]>((resolve) => {
        finish = resolve;
      });
    const inbox = createInbox({ append }, { deadlineMs: 50 });
    const { port } = await start({ inbox });
    const wire = openWire(port);
    wire.send(post("a", "hello"));
    expect(await wire.until('"late"')).toMatch(/^HTTP\/1\.1 503 /);
    wire.abort();
    finish([true]);
    await inbox.drain();
  });
});
