import { afterEach, describe, expect, it } from "@jest/globals";
import type { Build, Verdict } from "../../src/core/model.ts";
import { aBuild, aDelivery, browser, openSite, repository, SHA, type Site, type World } from "./world.ts";

let site: Site | null = null;
afterEach(async () => {
  await site?.close();
  site = null;
});
async function open(changes: Partial<World> = {}): Promise<Site> {
  site = await openSite(changes);
  return site;
}
async function textOf(opened: Site, path: string): Promise<string> {
  const answer = await opened.page(path);
  expect(answer.status).toBe(200);
  return answer.text();
}

const FORK = { reason: "awaiting-approval", detail: "Somebody who may push has to approve this commit." } as const;
const BRAKE = { reason: "brake", detail: "One delivery asks for 34 builds." } as const;
const PULL = {
  kind: "pull_request",
  ref: "refs/heads/fix-typo",
  push: false,
  trust: "untrusted",
  pull: { number: 5, target: "main", fork: true },
} as const;
const WAITING = { state: "held", digest: null, startedAt: null, finishedAt: null, steps: [] } as const;

function held(changes: Partial<Build> = {}): Build {
  return aBuild({ ...WAITING, hold: FORK, ...changes }, PULL);
}

describe("a held build's page", () => {
  it("says what it waits for, what approving means, and has the button", async () => {
    const text = await textOf(await open({ builds: [held()] }), "/builds/b1");
    for (const part of [
      '<span class="pill held">held</span>',
      "Waits for approval",
      FORK.detail,
      "without secrets and registry credentials",
      `Approving counts for <code>${SHA.slice(0, 7)}</code> alone`,
      '<form method="post" action="/builds/b1/approve">',
      '<button id="approve" class="primary">Approve and build</button>',
    ]) {
      expect(text).toContain(part);
    }
    expect(text).not.toContain("With it");
  });

  it("counts what runs with it: held builds of its delivery that wait for the same", async () => {
    const others = [
      held({ id: "b2" }),
      held({ id: "b3" }),
      held({ id: "b4", state: "queued" }),
      held({ id: "b5", hold: BRAKE }),
      held({ id: "b6", deliveryId: "2" }),
    ];
    const text = await textOf(await open({ builds: [held(), ...others] }), "/builds/b1");
    expect(text).toMatch(/With it, 2 more of <a href="\/deliveries\/1">this delivery<\/a> will run/);
  });

  it("says at least how many, where there are more than it looked at", async () => {
    const builds = Array.from({ length: 120 }, (_, index) => held({ id: `b${index}`, hold: BRAKE }));
    const text = await textOf(await open({ builds }), "/builds/b1");
    expect(text).toContain("With it, at least 99 more of");
  });

  it("promises nothing of strangers' code and single commits where the brake holds a trusted build", async () => {
    const text = await textOf(await open({ builds: [aBuild({ ...WAITING, hold: BRAKE })] }), "/builds/b1");
    expect(text).toContain("Held: many builds at once");
    expect(text).toContain('<button id="approve" class="primary">Approve and build</button>');
    expect(text).not.toMatch(/Its code will run here|Approving counts for/);
  });

  it.each(["queued", "running", "superseded", "canceled"] as const)("has no button once it is %s", async (state) => {
    const text = await textOf(await open({ builds: [held({ state })] }), "/builds/b1");
    expect(text).not.toMatch(/<button>Approve|\/approve/);
    expect(text).toContain(`${FORK.detail} Nobody approved it.`);
  });

  it.each([
    [{ id: "5", login: "ann" }, "by ann, "],
    [null, "by the operator, "],
  ] as const)("says who approved it and when: %j", async (actor, by) => {
    const approval = { actor, at: "2026-11-20T11:49:00Z" };
    const text = await textOf(await open({ builds: [held({ state: "running", approval })] }), "/builds/b1");
    expect(text).toContain(`${by}<time datetime="2026-11-20T11:49:00Z">2026-11-20 11:49:00 UTC</time>`);
    expect(text).not.toContain("Nobody approved it");
  });

  it("has no word of holding and approving where nobody had to", async () => {
    expect(await textOf(await open(), "/builds/b1")).not.toMatch(/approv|held/i);
  });
});

/** Presses the button as a browser does that is signed in; `token` in place of the page's own. */
async function press(opened: Site, path: string, token?: string, signedIn = true): Promise<Response> {
  const cookie = await opened.signIn();
  const headers = { ...browser, ...(signedIn ? { Cookie: cookie } : {}) };
  const page = await (await fetch(`${opened.url}/builds/b1`, { headers })).text();
  const own = /action="\/builds\/b1\/approve">\s*<input type="hidden" name="form_token" value="([\w-]{43})"/.exec(page);
  const body = new URLSearchParams({ form_token: token ?? own?.[1] ?? "" });
  return fetch(opened.url + path, { method: "POST", body, headers, redirect: "manual" });
}

describe("the button", () => {
  it("approves in the operator's name and leads back to the build", async () => {
    const approvals: World["approvals"] = [];
    const opened = await open({ builds: [held()], released: ["b1"], approvals });
    const answer = await press(opened, "/builds/b1/approve");
    expect([answer.status, answer.headers.get("location")]).toEqual([303, "/builds/b1"]);
    expect(approvals).toEqual([{ id: "b1", by: { kind: "operator" } }]);
  });

  it.each(["", "A".repeat(43)])("is not pressed by another site with the token %j", async (token) => {
    const approvals: World["approvals"] = [];
    const opened = await open({ builds: [held()], released: ["b1"], approvals });
    const answer = await press(opened, "/builds/b1/approve", token);
    expect([answer.status, approvals]).toEqual([403, []]);
    expect(await answer.text()).toContain("This form is not from this page");
  });

  it("is not pressed with another session's token", async () => {
    const approvals: World["approvals"] = [];
    const opened = await open({ builds: [held()], released: ["b1"], approvals });
    const page = await (await opened.page("/builds/b1")).text();
    const others = /name="form_token" value="([\w-]{43})"/.exec(page)?.[1] ?? "";
    expect(others).not.toBe("");
    const answer = await press(opened, "/builds/b1/approve", others);
    expect([answer.status, approvals]).toEqual([403, []]);
  });

  it("leads who is not signed in to signing in, and from there to the build", async () => {
    const approvals: World["approvals"] = [];
    const opened = await open({ builds: [held()], released: ["b1"], approvals });
    const answer = await press(opened, "/builds/b1/approve", "x", false);
    expect([answer.status, answer.headers.get("location")]).toEqual([303, "/auth/sign-in?next=%2Fbuilds%2Fb1"]);
    expect(approvals).toEqual([]);
  });

  it("does nothing where no token is configured", async () => {
    const approvals: World["approvals"] = [];
    const { url } = await open({ builds: [held()], released: ["b1"], approvals, adminToken: null });
    const body = new URLSearchParams({ form_token: "" });
    expect((await fetch(`${url}/builds/b1/approve`, { method: "POST", body })).status).toBe(403);
    expect(approvals).toEqual([]);
  });

  it("says why not, on a page, where the build is not held any more or not known", async () => {
    const opened = await open({ builds: [held({ state: "superseded" })] });
    const cookie = await opened.signIn();
    const headers = { ...browser, Cookie: cookie };
    const page = await (await fetch(`${opened.url}/`, { headers })).text();
    const token = /name="form_token" value="([\w-]{43})"/.exec(page)?.[1] ?? "";
    const post = (path: string) =>
      fetch(opened.url + path, { method: "POST", body: new URLSearchParams({ form_token: token }), headers });
    const late = await post("/builds/b1/approve");
    expect([late.status, await late.text()]).toEqual([
      409,
      expect.stringContaining('<p class="box message">The build is not held any more: something newer'),
    ]);
    expect((await post("/builds/b9/approve")).status).toBe(404);
  });

  it("is no link", async () => {
    const answer = await (await open({ builds: [held()] })).page("/builds/b1/approve");
    expect([answer.status, answer.headers.get("allow")]).toEqual([405, "POST"]);
  });
});

describe("a build of a pull request", () => {
  it.each([
    ["github", "https://github.com/acme/api/pull/5"],
    ["bitbucket", "https://github.com/acme/api/pull-requests/5"],
  ] as const)("leads to its page on %s, and says it is a fork's and publishes nothing", async (provider, url) => {
    const build = aBuild({ repository: { ...repository, provider } }, { ...PULL, tags: ["pr-5"] });
    const opened = await open({ builds: [build] });
    const text = await textOf(opened, "/builds/b1");
    expect(text).toContain(`<a href="${url}" rel="noreferrer">#5</a> into <code>main</code>, from a fork`);
    expect(text).toContain("<dt>Branch of the fork</dt><dd><code>fix-typo</code>");
    for (const shown of [text, await textOf(opened, "/")]) {
      expect(shown).toContain("not published");
      expect(shown).not.toContain("pr-5");
    }
  });

  it("is a link to its commit where the commit is to be seen: not a fork's on Bitbucket", async () => {
    const commit = `/${SHA}"`;
    const bitbucket = { ...repository, provider: "bitbucket" } as const;
    const own = { ...PULL, pull: { ...PULL.pull, fork: false } };
    const shown = async (build: Build) =>
      (await textOf(await open({ builds: [build] }), "/builds/b1")).includes(commit);
    expect(await shown(aBuild({}, PULL))).toBe(true);
    await site?.close();
    expect(await shown(aBuild({ repository: bitbucket }, own))).toBe(true);
    await site?.close();
    expect(await shown(aBuild({ repository: bitbucket }, PULL))).toBe(false);
  });

  it("is in lists by its number and target", async () => {
    const text = await textOf(await open({ builds: [held()] }), "/");
    expect(text).toMatch(/#5 into <code>main<\/code>\s+<code>0123456<\/code>, from a fork/);
    expect(text).toContain('<span class="pill held">held</span>');
  });

  it("has the tags it published, where it may", async () => {
    const pull = { number: 5, target: "main", fork: false };
    const text = await textOf(await open({ builds: [aBuild({}, { ...PULL, push: true, pull, tags: ["pr-5"] })] }), "/");
    expect(text).toContain('<code class="chip">pr-5</code>');
    expect(text).not.toMatch(/not published|from a fork/);
  });
});

const [BUILT] = aDelivery().trace;

function trace(count: number, facts: Verdict["facts"] = { rule: "branch docs" }): readonly Verdict[] {
  const rule = (index: number) => `images[0].rules[${index}]`;
  return Array.from({ length: count }, (_, index) => ({
    ref: "refs/heads/main",
    image: "api",
    rule: rule(index),
    verdict: "skip",
    reason: "no-match",
    facts,
    detail: "not built: branch main does not match branch docs",
  }));
}

describe("a delivery's trace", () => {
  it("shows of each rule the verdict, the reason, why, and by which facts", async () => {
    const verdicts = [...trace(1), ...(BUILT === undefined ? [] : [BUILT])];
    const text = await textOf(await open({ deliveries: [aDelivery({ trace: verdicts })] }), "/deliveries/1");
    for (const part of [
      '<details class="trace" open>',
      '<span class="pill skip">skip</span>',
      "not built: branch main does not match branch docs",
      "(no-match)",
      '<code class="muted">images[0].rules[0]</code>',
      '<li><span class="muted">rule</span> branch docs</li>',
      '<span class="pill build">build</span>',
      "built and published as latest",
      '<li><span class="muted">trust</span> trusted</li>',
    ]) {
      expect(text).toContain(part);
    }
  });

  it("is closed where it is long, and so are long facts", async () => {
    const long = { rule: "branch x", tags: "1.2.3, ".repeat(40) };
    const text = await textOf(await open({ deliveries: [aDelivery({ trace: trace(13, long) })] }), "/deliveries/1");
    expect(text).toContain('<details class="trace">');
    expect(text).toContain('<details><summary class="muted">2 facts</summary>');
    expect(text.match(/<details/g)?.length).toBe(text.match(/<\/details>/g)?.length);
  });

  it("shows the first three hundred, and says where the others are", async () => {
    const text = await textOf(await open({ deliveries: [aDelivery({ trace: trace(301) })] }), "/deliveries/1");
    expect(text).toContain('<span class="muted">(301)</span>');
    expect(text).toContain("images[0].rules[299]");
    expect(text).not.toContain("images[0].rules[300]");
    expect(text).toContain("1 more are not shown: <code>GET /api/v1/deliveries/1</code>");
  });

  it("is left out where no rule was looked at", async () => {
    expect(await textOf(await open({ deliveries: [aDelivery({ trace: [] })] }), "/deliveries/1")).not.toContain(
      "<details",
    );
  });
});

describe("a delivery's decision to hold", () => {
  const decision = {
    ref: null,
    sha: SHA,
    image: "api",
    rule: null,
    build: "b1",
    reason: FORK.reason,
    detail: FORK.detail,
  };
  const delivery = aDelivery({ decisions: [decision] });

  it("says what the build waits for, and what it waited for once it does not any more", async () => {
    const waits = await textOf(await open({ builds: [held()], deliveries: [delivery] }), "/deliveries/1");
    expect(waits).toContain(`<td class="source">${FORK.detail}</td>`);
    await site?.close();
    const over = await textOf(
      await open({ builds: [held({ state: "queued" })], deliveries: [delivery] }),
      "/deliveries/1",
    );
    expect(over).toContain(`<td class="source">It was held: ${FORK.detail}</td>`);
  });
});

describe("the list of deliveries", () => {
  const decision = { ref: null, sha: SHA, image: "api", rule: null, build: "b1", reason: FORK.reason, detail: "" };
  const run = { ...decision, reason: null };
  const skip = { ...run, build: null, reason: "no-match" };

  it.each([
    [[decision], "1 build, only after approval"],
    [[decision, run, skip], "2 builds, 1 of them only after approval, 1 not built"],
    [[run], "1 build"],
  ])("says that something had to be approved: %#", async (decisions, words) => {
    const builds = decisions.flatMap(({ build }, index) => (build === null ? [] : [`b${index}`]));
    const text = await textOf(await open({ deliveries: [aDelivery({ decisions, builds })] }), "/deliveries");
    expect(text).toContain(`<td class="source">${words}</td>`);
  });
});

describe("a delivery that is followed", () => {
  it.each<[string, Partial<ReturnType<typeof aDelivery>>, string | null, string | null]>([
    ["looks again while it waits", { outcome: "pending", builds: [] }, null, "1"],
    ["leads on to its one build", {}, "/builds/b1", null],
    ["shows several builds itself", { builds: ["b1", "b2"] }, null, null],
    ["shows why nothing is built", { builds: [] }, null, null],
  ])("%s", async (_, delivery, location, refresh) => {
    const answer = await (await open({ deliveries: [aDelivery(delivery)] })).page("/deliveries/1?follow=yes");
    expect([answer.status, answer.headers.get("location"), answer.headers.get("refresh")]).toEqual([
      location === null ? 200 : 303,
      location,
      refresh,
    ]);
  });
});

describe("the page of an order", () => {
  it("says that somebody started it by hand, and names no id of a host", async () => {
    const ordered = aDelivery({ event: "wharfinger.build", deliveryId: "build-4711" });
    const opened = await open({ deliveries: [ordered] });
    const text = await textOf(opened, "/deliveries/1");
    expect(text).toMatch(/started by hand\s+<span class="muted">of acme\/api/);
    expect(text).not.toMatch(/build-4711|wharfinger\.build|<dt>From/);
    expect(await textOf(opened, "/deliveries")).toContain("started by hand");
  });
});

describe("the page of changes that were found", () => {
  const found = aDelivery({ event: "wharfinger.found", deliveryId: "found-4711" });

  it("says that their host had not told of them, and names no id of it", async () => {
    const opened = await open({ deliveries: [found, aDelivery({ id: "2" })] });
    const text = await textOf(opened, "/deliveries/1");
    expect(text).toMatch(/changes found\s+<span class="muted">of acme\/api/);
    expect(text).toContain("<dt>How</dt><dd>GitHub had sent nothing of this. It was found by comparing");
    expect(text).toMatch(/<dt>Found<\/dt>.*<dt>On<\/dt><dd>GitHub<\/dd>/s);
    expect(text).not.toMatch(/found-4711|wharfinger\.found|<dt>From|<dt>Received/);
    expect(await textOf(opened, "/deliveries")).toContain("changes found");
    const told = await textOf(opened, "/deliveries/2");
    expect(told).toContain("<dt>Received</dt>");
    expect(told).not.toMatch(/had sent nothing|<dt>How|<dt>On/);
  });

  it("names the host that did not tell", async () => {
    const ours = { ...found, provider: "bitbucket" as const, host: "second" };
    const text = await textOf(await open({ deliveries: [ours] }), "/deliveries/1");
    expect(text).toContain("<dt>On</dt><dd>Bitbucket (second)</dd>");
    expect(text).toContain("Bitbucket had sent nothing of this.");
  });

  it.each<[Build["trigger"], boolean, string]>([
    ["event", true, "(found, its host had not told of it)"],
    ["retry", true, "(by a retry)"],
    ["event", false, "(by an event)"],
  ])("is said of a build that was made by %s, where %s", async (trigger, isFound, words) => {
    const opened = await open({ builds: [aBuild({ trigger })], deliveries: [isFound ? found : aDelivery()] });
    const text = await textOf(opened, "/builds/b1");
    expect(text).toContain(words);
    // Of a delivery that is known the reason is shown beside it.
    expect(text).toContain("The branch main is built as latest.");
  });
});
