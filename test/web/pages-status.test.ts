import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { hostKey } from "../../src/core/model.ts";
import { delivery } from "../contract/store.samples.ts";
import { type AdminWorld, openAdmin } from "./admin-world.ts";
import { API, EIGHT, SEVEN } from "./settings-world.ts";

let world: AdminWorld;
beforeEach(async () => {
  world = await openAdmin();
});
afterEach(() => world.close());

const STATUS = "/status";

describe("the status page", () => {
  it("tells operators of everything, and says so where nothing is known", async () => {
    await world.store.append([delivery("a"), delivery("b")]);
    world.refusals.note("/webhooks/github", 401);
    const { status, html } = await world.get(STATUS);
    expect(status).toBe(200);
    expect(html).toContain('<a href="/installations/github/default/7">acme</a>');
    expect(html).toContain('<a href="/installations/github/default/8">other</a>');
    expect(html).toMatch(/<dt>Deliveries to process<\/dt><dd>2/);
    expect(html).toContain("<code>/webhooks/github</code>");
    expect(html).toContain("the webhook&#39;s secret is not the one configured here");
    // Of acme something came, of the other nothing.
    expect(html.match(/none recorded/g)).toHaveLength(1);
    expect(html.match(/not known: nothing was asked since this process began/g)).toHaveLength(2);
  });

  it("tells operators how looking for missed deliveries goes, host by host", async () => {
    expect((await world.get(STATUS)).html).not.toContain("Missed deliveries");
    const [place, ghes] = [SEVEN, { ...SEVEN, host: "ghes" }];
    await world.store.claimLook(place, { leaseMs: 1, gapMs: 0 });
    await world.store.claimLook(ghes, { leaseMs: 1, gapMs: 0 });
    const missed = { sentAt: 0, status: 503 };
    await world.store.append([delivery("a", { receivedAt: world.clock.now(), missed })]);
    await world.store.endLook(place, 1, { reached: null, complete: true, problem: null, notBefore: null });
    const attempt = { id: "1", deliveryId: "g", sentAt: world.clock.now(), status: null, wanted: true };
    await world.store.recordMissedTry({ ...ghes, attempt, notBefore: null });
    const problem = "GitHub answered 403 <b>.";
    await world.store.endLook(ghes, 1, { reached: null, complete: false, problem, notBefore: null });
    const { html } = await world.get(STATUS);
    const row = /<section class="box setting" aria-labelledby="missed">.*?<\/section>/s.exec(html)?.[0] ?? "";
    const text = row.replace(/<[^>]+>/g, " ").replace(/\s+/g, " ");
    expect(text).toBe(
      " Missed deliveries GitHub last looked just now , 1 fetched in the last day GitHub (ghes) not looked through yet," +
        " 0 fetched in the last day, 1 could not be fetched: redeliver it on the host" +
        " Looking fails: GitHub answered 403 &lt;b&gt;. ",
    );
    const { html: shown } = await world.get("/deliveries/1");
    expect(shown).toContain("GitHub could not deliver it (503), and it was fetched");
  });

  it("tells operators how comparing branches and tags goes", async () => {
    const { store, clock } = world;
    const box = async () => {
      const { html } = await world.get(STATUS);
      const found = /<section class="box setting" aria-labelledby="comparisons">.*?<\/section>/s.exec(html)?.[0] ?? "";
      return found.replace(/<[^>]+>/g, " ").replace(/\s+/g, " ");
    };
    expect(await box()).toBe(
      " Branches and tags Compared with what hosts told not yet: 2 repositories will be, one after the other" +
        " Found in the last day nothing that hosts had not told ",
    );
    const [one, other] = await store.claimComparisons({ limit: 2, leaseMs: 60_000 });
    if (one === undefined || other === undefined) throw new Error("two repositories are linked");
    const end = { refs: new Map(), suspects: [], problem: null, found: 0 };
    await store.endComparison(one.repository, one.attempt, { ...end, dueAt: clock.now() - 3_600_000, found: 1 });
    expect(await box()).toBe(
      " Branches and tags Compared with what hosts told 1 of 2 repositories, last just now" +
        " Found in the last day 1 change that hosts had not told of, among the deliveries as changes found ",
    );
    const problem = "git said <b>no</b>.";
    const dueAt = clock.now() - 3_600_001;
    await store.endComparison(other.repository, other.attempt, { ...end, refs: null, problem, dueAt });
    // Now the other one is late, too.
    clock.advance(60_000);
    expect(await box()).toBe(
      " Branches and tags Compared with what hosts told 1 of 2 repositories, last 1 min ago" +
        " Found in the last day 1 change that hosts had not told of, among the deliveries as changes found" +
        " Late 2 repositories should have been looked at more than an hour ago." +
        " Where this service was stopped it catches up by itself; else see in its log what keeps it." +
        " Looking fails 1 repository could not be compared, and will be tried again, once a day at least." +
        " Of the last one: git said &lt;b&gt;no&lt;/b&gt;. wharfinger doctor tries what we sign in to hosts with. ",
    );
    const json = (await (await world.site.api("/api/v1/status")).json()) as { instance: { comparisons: object } };
    expect(json.instance.comparisons).toEqual({
      repositories: 2,
      compared: 1,
      late: 2,
      failing: 1,
      problem,
      lastAt: "2026-11-20T10:00:00.000Z",
      found: 1,
    });
  });

  it("says of branches and tags that all were compared, and that there are none", async () => {
    const { store, clock } = world;
    const end = { refs: new Map(), suspects: [], problem: null, found: 1, dueAt: clock.now() + 600_000 };
    for (const { repository, attempt } of await store.claimComparisons({ limit: 2, leaseMs: 60_000 })) {
      await store.endComparison(repository, attempt, end);
    }
    expect((await world.get(STATUS)).html).toMatch(/all 2 repositories, last <time[^>]+>just now/);
    await store.linkRepositories(SEVEN, [API], { complete: true });
    const { html } = await world.get(STATUS);
    expect(html).toMatch(/the one repository, last <time[^>]+>just now/);
    expect(html).toMatch(/2 changes that hosts had not told of/);
    expect(html).not.toMatch(/<dt>(?:Late|Looking fails)/);
    await store.setInstallationState(SEVEN, "suspended");
    expect((await world.get(STATUS)).html).toContain("No installation that is active covers a repository yet.");
  });

  it("tells people of the installations their host says they may see, and nothing of the instance", async () => {
    world.roles.set("ann", "read");
    world.refusals.note("/webhooks/github", 401);
    const { status, html } = await world.get(STATUS, "ann");
    expect(status).toBe(200);
    expect(html).toContain("/installations/github/default/7");
    expect(html).not.toContain("/installations/github/default/8");
    expect(html).not.toContain("other");
    expect(html).not.toContain("/webhooks/github");
    expect(html).not.toContain("This instance");
    expect(html).not.toContain("Branches and tags");
    expect(world.asked.map(({ action, place }) => [action, hostKey(place.installation)])).toEqual([
      ["account.see", hostKey(SEVEN)],
      ["account.see", hostKey(EIGHT)],
    ]);
  });

  it("says to whom may see nothing what to do, and where a host did not answer that it did not", async () => {
    const none = await world.get(STATUS, "zoe");
    expect(none.status).toBe(200);
    expect(none.html).not.toContain("/installations/github");
    expect(none.html).toContain("sign in again");
    world.roles.set("ann", "unknown");
    const silent = await world.get(STATUS, "ann");
    expect(silent.html).toContain("Not all of them are shown.");
    expect(silent.html).toContain("The host is away.");
    expect(silent.html).not.toContain("There are none.");
  });

  it("shows what is left of calls, that a host asked us to wait, and which permissions an account has not given", async () => {
    const at = "2026-11-20T09:59:00.000Z";
    const budget = { of: "the App", limit: 5_000, left: 4_321, resetsAt: "2026-11-20T10:30:00.000Z", at };
    world.budgets.set(hostKey(SEVEN), [budget]);
    world.waits.set(hostKey(SEVEN), 90_000);
    const { html } = await world.get(STATUS);
    expect(html).toContain("4321 of 5000 an hour");
    expect(html).toContain("GitHub asked us to wait: it is not asked anything for another 1 min 30 s.");
    expect(html).toContain("Missing: Contents (read).");
    expect(html).toContain("Without it nothing is heard of pushes or built.");
    expect(html).toContain('href="https://github.com/organizations/acme/settings/installations/7/permissions/update"');
  });

  it("shows nothing as missing of an account that has left", async () => {
    await world.store.setInstallationState(SEVEN, "removed");
    await world.store.setInstallationState(EIGHT, "removed");
    const { html } = await world.get(STATUS);
    expect(html).not.toContain("Missing:");
    expect(html.match(/not known: its host does not tell/g)).toHaveLength(2);
  });

  it("sends strangers to sign in", async () => {
    const answer = await fetch(`${world.site.url}${STATUS}`, { redirect: "manual" });
    expect(answer.status).toBe(303);
    expect(answer.headers.get("location")).toBe("/auth/sign-in?next=%2Fstatus");
  });
});

describe("GET /api/v1/status", () => {
  it("tells the same, with null for what is not known", async () => {
    await world.store.append([delivery("a")]);
    const answer = await world.site.api("/api/v1/status");
    expect(answer.status).toBe(200);
    const body = (await answer.json()) as {
      items: { installation: object; lastEvent: string | null }[];
      instance: object;
    };
    expect(body).toMatchObject({
      next: null,
      instance: {
        deliveries: { count: 1, oldest: "2026-11-20T09:59:59.000Z" },
        builds: { queued: { count: 0, oldest: null }, running: 0, held: 0 },
        refusals: [],
      },
    });
    expect(body.items).toHaveLength(2);
    expect(body.items.find(({ lastEvent }) => lastEvent !== null)).toMatchObject({
      installation: { provider: "github", host: "default", id: "7" },
      lastEvent: "2026-11-20T09:59:59.000Z",
      deliveries: { count: 1, oldest: "2026-11-20T09:59:59.000Z" },
      checks: { count: 0, oldest: null, note: null },
      budgets: [],
      askedToWait: null,
    });
  });

  it("page by page", async () => {
    const first = (await (await world.site.api("/api/v1/status?limit=1")).json()) as { items: object[]; next: string };
    expect(first.items).toHaveLength(1);
    const second = await world.site.api(`/api/v1/status?limit=1&cursor=${first.next}`);
    expect((await second.json()) as object).toMatchObject({ items: [{ installation: { id: "7" } }], next: null });
  });
});
