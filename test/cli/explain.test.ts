import { describe, expect, it } from "@jest/globals";
import type { Build } from "../../src/core/model.ts";
import type { Delivery } from "../../src/engine/store-port.ts";
import { aBuild, aDelivery, SHA } from "../web/world.ts";
import { noStore, run } from "./world.ts";

function explain(delivery: Delivery, builds: readonly Build[] = [aBuild()], ...flags: string[]) {
  const openStore = () =>
    Promise.resolve({
      ...noStore,
      findDelivery: (id: string) => Promise.resolve([delivery.id, delivery.deliveryId].includes(id) ? delivery : null),
      listBuilds: () => Promise.resolve({ items: builds, next: null }),
    });
  return run(["explain", delivery.id, ...flags], { openStore });
}

describe("explain", () => {
  it("says what arrived and what was decided for each ref and image", async () => {
    const skipped = {
      ref: "refs/heads/main",
      sha: SHA,
      image: "web",
      rule: "images[1].rules[0]",
      build: null,
      reason: "paths-unchanged",
      detail: "3 files changed, none of them matches web/**.",
    };
    const { code, out } = await explain(aDelivery({ decisions: [...aDelivery().decisions, skipped] }));
    expect(code).toBe(0);
    expect(out).toBe(`delivery  1 (0b989ba4-242f-11e5-81e1-c7b6966d2516)
event     push from github
about     acme/api
received  2026-11-20T11:49:57Z
outcome   planned

refs/heads/main api → build b1 (succeeded)
    The branch main is built as latest. (images[0].rules[0])
refs/heads/main web → not built: paths-unchanged
    3 files changed, none of them matches web/**. (images[1].rules[0])

Every rule that was looked at:
refs/heads/main api images[0].rules[0] → build
    built and published as latest
    by rule: branch main; change: branch main; trust: trusted; tags: latest
`);
  });

  it("says of every rule why it did not build, by what, in the order they were looked at", async () => {
    const skip = {
      ref: "refs/heads/main",
      image: "web",
      rule: "images[1].rules[0]",
      verdict: "skip",
      reason: "no-match",
      facts: {},
      detail: "not built: branch main does not match tag v*",
    } as const;
    const all = { ...skip, ref: null, image: null, rule: null, detail: "not built: nothing moved" };
    const { out } = await explain(aDelivery({ trace: [skip, ...aDelivery().trace, all] }));
    expect(out.slice(out.indexOf("Every rule"))).toBe(`Every rule that was looked at:
refs/heads/main web images[1].rules[0] → skip: no-match
    not built: branch main does not match tag v*
refs/heads/main api images[0].rules[0] → build
    built and published as latest
    by rule: branch main; change: branch main; trust: trusted; tags: latest
everything → skip: no-match
    not built: nothing moved
`);
  });

  it("says of one that was fetched that it was", async () => {
    const { out } = await explain(aDelivery({ missed: { sentAt: "2026-11-20T11:45:57.000Z", status: 503 } }));
    expect(out).toContain(
      "received  2026-11-20T11:49:57Z\nfetched   GitHub could not deliver it (503), and it was fetched 4 min later.\n",
    );
  });

  it("says of what was found that its host had not told of it", async () => {
    const { out } = await explain(aDelivery({ event: "wharfinger.found", provider: "bitbucket", host: "second" }));
    expect(out).toContain(`event     wharfinger.found on bitbucket (second)
about     acme/api
received  2026-11-20T11:49:57Z
found     Bitbucket had sent nothing of this. It was found by comparing the repository's branches and tags with what they were.
outcome   planned
`);
  });

  it("leaves out what was not recorded", async () => {
    expect((await explain(aDelivery({ trace: [] }))).out).not.toContain("Every rule");
  });

  it("says how to let a held build run, while it is held", async () => {
    const decisions = aDelivery().decisions.map((one) => ({ ...one, reason: "brake", detail: "Too many." }));
    expect((await explain(aDelivery({ decisions }), [aBuild({ state: "held" })])).out).toContain("    Too many. (");
    expect((await explain(aDelivery({ decisions }), [aBuild()])).out).toContain("    It was held: Too many. (");
    const hint = "To let it run: wharfinger approve b1";
    expect((await explain(aDelivery(), [aBuild({ state: "held" })])).out).toContain(`build b1 (held)\n`);
    expect((await explain(aDelivery(), [aBuild({ state: "held" })])).out).toContain(hint);
    expect((await explain(aDelivery(), [aBuild({ state: "queued" })])).out).not.toContain(hint);
  });

  it("prints what the API answers as JSON", async () => {
    const { code, out } = await explain(aDelivery(), [], "--json");
    const { id, builds, decisions, trace } = aDelivery();
    expect([code, JSON.parse(out)]).toEqual([0, expect.objectContaining({ id, builds, decisions, trace })]);
    expect((await run(["explain", "9", "--json"])).code).toBe(1);
  });

  it("takes the host's id as well", async () => {
    const delivery = aDelivery();
    const openStore = () =>
      Promise.resolve({
        ...noStore,
        findDelivery: (id: string) => Promise.resolve(id === delivery.deliveryId ? delivery : null),
      });
    expect((await run(["explain", delivery.deliveryId], { openStore })).code).toBe(0);
  });

  it("says why a delivery was ignored, or that it waits", async () => {
    const nothing = { builds: [], decisions: [] };
    expect((await explain(aDelivery({ ...nothing, outcome: "ignored", note: "A ping." }))).out).toContain(
      "outcome   ignored: A ping.\n\nIt led to nothing.",
    );
    expect((await explain(aDelivery({ ...nothing, outcome: "pending" }))).out).toContain("It waits to be processed.");
  });

  it("answers 1 to an unknown delivery, and says where to look", async () => {
    const { code, out, err } = await run(["explain", "no\u001b[31m-such"]);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain('no delivery "no\\u001b[31m-such" is known here');
    expect(err).toContain("X-GitHub-Delivery");
  });

  it("lets nothing from a repository reach the terminal as a command, or begin a line of its own", async () => {
    const evil = "x\u001b]0;owned\u0007\u001b[2J\u202e\r\nrefs/heads/fake → build b9";
    const decision = { ref: evil, sha: SHA, image: evil, rule: evil, build: null, reason: "no-match", detail: evil };
    const place = { ref: evil, image: evil, rule: evil };
    const verdict = { ...place, verdict: "skip", reason: "no-match", facts: { [evil]: evil }, detail: evil } as const;
    const { out } = await explain(
      aDelivery({
        repositoryName: evil,
        note: evil,
        event: evil,
        action: evil,
        decisions: [decision],
        trace: [verdict],
      }),
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
    expect(out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f\u202e]/);
    expect(out).not.toMatch(/^refs\/heads\/fake/m);
  });
});
