import { describe, expect, it } from "@jest/globals";
import { failed, ok } from "../../src/core/model.ts";
import type { Outgoing } from "../../src/notify/outgoing.ts";
import { createChatNotifier } from "../../src/notify/webhook.ts";

const NOTICE = { subject: "s", text: "t", chat: "acme/api failed\nhttps://wharfinger.example/builds/b1" };

function notifier(answer: Awaited<ReturnType<Outgoing["post"]>>) {
  const posted: unknown[] = [];
  const outgoing: Outgoing = {
    check: async () => ok(true),
    async post(address, body, headers) {
      posted.push({ address, body, headers });
      return answer;
    },
  };
  return { notifier: createChatNotifier({ network: "internet", outgoing }), posted };
}

describe("a chat's incoming webhook", () => {
  it("gets a text, with an id to tell what comes twice", async () => {
    const { notifier: chat, posted } = notifier(ok({ status: 200, retryAfter: null }));
    expect(await chat.send("https://hooks.example/s", NOTICE, "1.t1")).toEqual(ok(true));
    expect(posted).toEqual([
      { address: "https://hooks.example/s", body: { text: NOTICE.chat }, headers: { "x-wharfinger-notice": "1.t1" } },
    ]);
  });

  it.each([
    [429, true],
    [500, true],
    [503, true],
    [302, true],
    [400, false],
    [403, false],
    [404, false],
    [410, false],
  ])("that answers %i: tried again is %s", async (status, retryable) => {
    const { notifier: chat } = notifier(ok({ status, retryAfter: 30 }));
    expect(await chat.send("https://hooks.example/s", NOTICE, "1")).toEqual(
      failed(`The address answered ${status}.`, { retryable, retryAfter: 30 }),
    );
  });

  it("that does not answer is as it was said", async () => {
    const away = failed("away", { retryable: true });
    expect(await notifier(away).notifier.send("https://hooks.example/s", NOTICE, "1")).toEqual(away);
  });
});
