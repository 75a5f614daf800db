import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Browser } from "playwright-core";
import { hostKey } from "../../src/core/model.ts";
import { isoTime } from "../../src/engine/loop.ts";
import {
  account,
  change,
  delivery,
  installationId,
  record,
  recordCovered,
  repository,
  request,
} from "../contract/store.samples.ts";
import { type AdminWorld, openAdmin } from "../web/admin-world.ts";
import { EIGHT, SEVEN } from "../web/settings-world.ts";
import { TOKEN } from "../web/world.ts";
import { critique, openBrowser, openTab, type Tab } from "./browser.ts";
import { HOSTILE } from "./sights.ts";
import { signInAsOperator } from "./sign-in.ts";

/** Every page of the instance itself, by the name of its pictures. */
const PAGES: readonly (readonly [name: string, path: string])[] = [
  ["status", "/status"],
  ["admin", "/admin"],
  ["admin-claims", "/admin/claims"],
  ["admin-installations", "/admin/installations"],
  ["admin-registries", "/admin/registries"],
  ["admin-registry", "/admin/registries/hub"],
  ["admin-queue", "/admin/queue"],
  ["admin-connections", "/admin/connections"],
  ["admin-audit", "/admin/audit"],
  ["admin-pause", "/admin/pause"],
];

let browser: Browser;
let world: AdminWorld;
let tab: Tab;

beforeAll(async () => {
  [browser, world] = await Promise.all([openBrowser(), openAdmin()]);
  await fill();
  tab = await openTab(browser);
  await signInAsOperator(tab, world.site.url, TOKEN);
}, 180_000);

afterAll(async () => {
  await browser.close();
  await world.close();
});

async function queue(name: string, installation = SEVEN): Promise<string> {
  const { store, clock } = world;
  await store.append([delivery(name, { installationId: installation.id, receivedAt: clock.now() })]);
  const moved = change(null, name, `refs/heads/${name}`);
  const covered = { installation, repository: { ...repository(installation.id), fullName: `acme/${HOSTILE}` } };
  const id = (await store.findDelivery(name))?.id ?? "";
  const [built] = await recordCovered(store, id, record([moved], [request(moved)], covered));
  return built?.id ?? "";
}

/** Something of everything. */
async function fill(): Promise<void> {
  const { store, clock } = world;
  const failed = await queue("failed");
  const begun = await store.claimBuild({ worker: "builder-1.example.com:4711", leaseMs: 15_000 });
  const failure = { class: "out-of-memory", message: HOSTILE } as const;
  await store.finishBuild(failed, begun?.attempt ?? 0, { state: "failed", digest: null, failure, steps: [] });
  await queue("running");
  await store.claimBuild({ worker: "builder-1.example.com:4711", leaseMs: 15_000 });
  await queue("waiting", EIGHT);
  clock.advance(40_000);
  await store.append([delivery("pending", { receivedAt: clock.now() - 9_000 })]);
  for (const [id, login, wanted] of [
    ["9", "zoological-society-of-london-and-more", "zoo"],
    // Somebody else's.
    ["10", HOSTILE, "acme"],
  ] as const) {
    const whose = account(`2${id}`, login);
    await store.saveInstallation({ id: installationId(id), account: whose, state: "active", permissions: {} });
    const asking = { installation: installationId(id), account: whose, wanted, registry: "default" };
    await store.settleClaim(asking, () => ({
      kind: "wait",
      namespace: wanted,
      reason: "confirmation",
      why: `people ${HOSTILE}`,
    }));
  }
  const at = isoTime(clock.now());
  const budget = { of: "the App", limit: 5_000, left: 120, resetsAt: isoTime(clock.now() + 600_000), at };
  world.budgets.set(hostKey(SEVEN), [budget]);
  world.waits.set(hostKey(EIGHT), 95_000);
  world.refusals.note("/webhooks/github", 401);
  world.refusals.note(`/webhooks/bitbucket/${HOSTILE}`, 404);
  const [compared, failing] = await store.claimComparisons({ limit: 2, leaseMs: 60_000 });
  for (const [one, problem, found] of [
    [compared, null, 7],
    [failing, `git said ${HOSTILE}.`, 0],
  ] as const) {
    if (one === undefined) throw new Error("two repositories are linked");
    const end = { refs: new Map(), suspects: [], dueAt: clock.now() - 2 * 3_600_000, problem, found };
    await store.endComparison(one.repository, one.attempt, end);
  }
  const connected = { workspace: "{5d2b}", login: HOSTILE, createdAt: at, ownHook: true };
  world.connections.push({ ...connected, id: "7f3a1c", repository: null, rotating: true });
  world.builders = { here: null, asked: [{ address: "2001:db8::7", at }] };
}

describe("in a browser, the pages of the instance", () => {
  it.each(PAGES)("are readable and accessible: %s", async (name, path) => {
    await tab.page.goto(world.site.url + path);
    expect(await critique(tab, name)).toEqual([]);
    expect(tab.complaints).toEqual([]);
  });

  it("lead an operator from a claim to its namespace, and through the kill switch", async () => {
    const { page } = tab;
    await page.goto(`${world.site.url}/admin`);
    await page.getByRole("link", { name: "Decide" }).click();
    const claim = page.locator("section", { hasText: "zoological-society" });
    await claim.getByRole("button", { name: "Approve" }).click();
    await page.getByText("Approved.").waitFor();
    expect((await world.store.getInstallation(installationId("9")))?.namespace).toBe("zoo");

    // What something speaks against is not given by one click.
    await page.getByRole("button", { name: "Approve" }).click();
    const alert = page.getByRole("alert");
    await alert.waitFor();
    expect(await critique(tab, "admin-claim-refused")).toEqual([]);
    await page.getByRole("button", { name: "Refuse" }).click();
    await page.getByText("Nobody waits.").waitFor();

    await page.getByRole("link", { name: "Kill switch" }).click();
    await page.getByLabel("Stop what is running, too").check();
    await page.getByRole("button", { name: "Pause this whole instance" }).click();
    await page.getByText("and 1 running stopped").waitFor();
    expect(await critique(tab, "admin-paused")).toEqual([]);
    await page.getByRole("button", { name: "Resume this whole instance" }).click();
    await page.getByText("Resumed.").waitFor();
    expect(await world.store.listPauses()).toEqual([]);
    expect(tab.complaints).toEqual([]);
  });
});
