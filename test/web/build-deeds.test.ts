import { afterEach, describe, expect, it } from "@jest/globals";
import type { Authorization } from "../../src/engine/authorize.ts";
import type { BuildActions } from "../../src/engine/build-actions.ts";
import { memorySessions } from "../support/memory-sessions.ts";
import { personCookie } from "../support/person.ts";
import { aBuild, aDelivery, browser, NOW, openSite, type Site } from "./world.ts";

const clock = { now: () => NOW };
const running = aBuild({ state: "running", finishedAt: null, digest: null });
const failed = aBuild({ id: "b2", state: "failed", digest: null });

let site: Site | null = null;
afterEach(async () => {
  await site?.close();
  site = null;
});

/** `may`: what somebody who is no operator is allowed; left out: the operator looks. */
async function open(actions: Partial<BuildActions> = {}, may?: (action: string) => Authorization["kind"]) {
  const sessions = memorySessions(clock);
  const done: unknown[] = [];
  const note =
    <T>(what: string, answer: T) =>
    async (...args: unknown[]) => {
      done.push([what, ...args]);
      return answer;
    };
  site = await openSite({
    builds: [running, failed, aBuild({ id: "b3" })],
    sessions,
    authorizer: {
      async may(_person, action) {
        const kind = may?.(action) ?? "refused";
        const why = "They may not.";
        return kind === "unknown" ? { kind, why, retryable: true, retryAfter: null } : { kind, why };
      },
    },
    buildActions: {
      cancel: note("cancel", { kind: "canceling" } as const),
      retry: note("retry", { kind: "queued", build: "b9" } as const),
      placeOf: note("placeOf", null),
      start: note("start", { kind: "started", delivery: "77" } as const),
      planned: note("planned", aDelivery({ id: "77", builds: ["b8"] })),
      ...actions,
    },
  });
  const url = site.url;
  const reach = [{ provider: "github", host: "default", id: "7" }] as const;
  const Cookie =
    may === undefined ? await site.signIn() : await personCookie({ sessions, clock, login: "mona", reach });
  const headers = { ...browser, Cookie };
  const page = async (path: string) => (await fetch(url + path, { headers })).text();
  return {
    done,
    page,
    async press(path: string, token?: string) {
      const [, own = ""] = /name="form_token" value="([^"]+)"/.exec(await page("/deliveries")) ?? [];
      const body = new URLSearchParams({ form_token: token ?? own });
      const answer = await fetch(url + path, { method: "POST", redirect: "manual", headers, body });
      return { status: answer.status, location: answer.headers.get("location"), text: await answer.text() };
    },
  };
}

const buttons = (html: string) => [...html.matchAll(/<button id="(\w+)"/g)].map((match) => match[1]);

describe("the buttons of a build's page", () => {
  it("are those that make sense as it is", async () => {
    const { page } = await open();
    expect(buttons(await page("/builds/b1"))).toEqual(["cancel"]);
    expect(buttons(await page("/builds/b2"))).toEqual(["retry", "start"]);
    expect(await page("/builds/b2")).toContain(">Build main now</button>");
    expect(buttons(await page("/builds/b3"))).toEqual(["start"]);
  });

  it("are those their host lets somebody press; none where it does not say", async () => {
    const looks = (action: string) => (action.endsWith(".see") || action.endsWith(".log") ? "allowed" : "refused");
    expect(buttons(await (await open({}, looks)).page("/builds/b2"))).toEqual([]);
    await site?.close();
    const retries = (action: string) => (action === "build.retry" ? "allowed" : looks(action));
    expect(buttons(await (await open({}, retries)).page("/builds/b2"))).toEqual(["retry"]);
    await site?.close();
    const silent = (action: string) => (looks(action) === "allowed" ? "allowed" : "unknown");
    expect(buttons(await (await open({}, silent)).page("/builds/b1"))).toEqual([]);
  });
});

describe("a build somebody may not see", () => {
  it("looks like one that is not there, whatever is asked of it", async () => {
    const { page, press } = await open({}, () => "refused");
    for (const path of ["", "/log"]) {
      const [hidden, none] = [await page(`/builds/b1${path}`), await page(`/builds/b404${path}`)];
      expect(hidden).toContain("There is nothing here for mona.");
      expect(none.replaceAll("b404", "b1")).toBe(hidden);
    }
    const [hidden, none] = [await press("/builds/b1/cancel"), await press("/builds/b404/cancel")];
    expect([hidden.status, none.text.replaceAll("b404", "b1")]).toEqual([404, hidden.text]);
  });
});

describe("pressing", () => {
  it("Cancel asks a running build to stop, and says so until it has", async () => {
    const { press, page, done } = await open();
    expect(await press("/builds/b1/cancel")).toMatchObject({ status: 303, location: "/builds/b1?asked=stop" });
    expect(done).toEqual([["cancel", "b1", { kind: "operator" }]]);
    expect(await page("/builds/b1?asked=stop")).toContain("It was asked to stop");
    expect(await page("/builds/b2?asked=stop")).not.toContain("It was asked to stop");
  });

  it("Try again leads to the build that does it", async () => {
    const { press, done } = await open();
    expect(await press("/builds/b2/retry")).toMatchObject({ status: 303, location: "/builds/b9" });
    expect(done).toEqual([["retry", "b2", { kind: "operator" }]]);
  });

  it("Build now leads to the one build it makes, and else to its delivery", async () => {
    const first = await open();
    expect(await first.press("/builds/b2/start")).toMatchObject({ status: 303, location: "/builds/b8" });
    const order = { repository: failed.repository, ref: "refs/heads/main", image: "api" };
    expect(first.done).toEqual([
      ["start", order, { kind: "operator" }],
      ["planned", "77", 3_000],
    ]);
    await site?.close();
    const second = await open({ planned: async () => aDelivery({ builds: [], outcome: "pending" }) });
    expect(await second.press("/builds/b2/start")).toMatchObject({ status: 303, location: "/deliveries/77" });
  });

  it.each<[string, Partial<BuildActions>, number, string]>([
    ["cancel", { cancel: async () => ({ kind: "final", why: "It has ended." }) }, 409, "It has ended."],
    ["retry", { retry: async () => ({ kind: "refused", why: "It is paused." }) }, 409, "It is paused."],
    ["start", { start: async () => ({ kind: "refused", why: "It is archived." }) }, 409, "It is archived."],
    [
      "start",
      { start: async () => ({ kind: "no-ref", why: "There is no such branch." }) },
      404,
      "There is no such branch.",
    ],
  ])("%s says why nothing comes of it", async (what, actions, status, why) => {
    const { press } = await open(actions);
    expect(await press(`/builds/b2/${what}`)).toEqual({ status, location: null, text: expect.stringContaining(why) });
  });

  it.each(["approve", "cancel", "retry", "start"])("%s is for whom the host lets, and each by name", async (what) => {
    const { press, done } = await open({}, (action) => (action === `build.${what}` ? "refused" : "allowed"));
    expect(await press(`/builds/b2/${what}`)).toMatchObject({
      status: 403,
      text: expect.stringContaining("They may not."),
    });
    await site?.close();
    const blind = await open({}, (action) => (action === "build.see" ? "refused" : "allowed"));
    expect((await blind.press(`/builds/b2/${what}`)).status).toBe(404);
    await site?.close();
    const silent = await open({}, (action) => (action === `build.${what}` ? "unknown" : "allowed"));
    expect((await silent.press(`/builds/b2/${what}`)).status).toBe(503);
    expect([...done, ...blind.done, ...silent.done]).toEqual([]);
  });

  it("counts as theirs", async () => {
    const { press, done } = await open({}, () => "allowed");
    await press("/builds/b2/retry");
    const actor = { id: "id-of-mona", login: "mona" };
    expect(done).toEqual([["retry", "b2", { kind: "person", provider: "github", host: "default", actor }]]);
  });

  it.each(["cancel", "retry", "start"])("%s does nothing for a form of another site", async (what) => {
    const { press, done } = await open();
    expect((await press(`/builds/b2/${what}`, "x".repeat(43))).status).toBe(403);
    expect((await fetch(`${site?.url}/builds/b2/${what}`, { redirect: "manual" })).status).toBe(405);
    expect(done).toEqual([]);
  });

  it("finds no build that is not there", async () => {
    const { press } = await open();
    expect((await press("/builds/b7/cancel")).status).toBe(404);
  });
});
