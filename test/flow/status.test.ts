import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { ADMIN_TOKEN, createWorld, eventually, type World } from "../support/world.ts";

const FILE = "version: 1\nimages:\n  - rules: [{ branch: main, tags: [latest] }]\n";

interface StatusJson {
  readonly instance: {
    readonly refusals: readonly { readonly path: string; readonly status: number; readonly count: number }[];
  };
  readonly items: readonly {
    readonly account: { readonly login: string };
    readonly lastEvent: string | null;
    readonly deliveries: { readonly count: number };
    readonly checks: { readonly count: number };
    readonly builds: { readonly queued: { readonly count: number }; readonly running: number };
    readonly budgets: readonly { readonly limit: number; readonly left: number; readonly resetsAt: string | null }[];
    readonly missingPermissions: readonly object[] | null;
  }[];
}

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(() => world.close());

const status = () => world.api<StatusJson>("/status");

describe("the status of a program that runs", () => {
  it("follows a push: when it was heard of, what it cost of GitHub's calls, and that nothing is left to do", async () => {
    const acme = world.github.organization("acme");
    const shop = await world.github.repository(acme, "shop", { private: true });
    await shop.commit({ message: "Begin", files: { "README.md": "hello" } });
    await world.github.install(acme, { repositories: [shop] });
    const before = await eventually("the installation known", async () => (await status()).items[0] ?? null);
    const heard = before.lastEvent;
    await world.github.push(shop, {
      message: "Build",
      files: { Dockerfile: "FROM scratch\n", ".wharfinger.yml": FILE },
    });
    const done = await eventually("built, and shown", async () => {
      const { items } = await world.api<{ items: { state: string }[] }>("/builds");
      // Read after the builds: what it tells is no older.
      const [item] = (await status()).items;
      const idle = item?.deliveries.count === 0 && item.checks.count === 0;
      return items[0]?.state === "succeeded" && idle ? item : null;
    });
    expect(done).toMatchObject({ account: { login: "acme" }, builds: { queued: { count: 0 }, running: 0 } });
    expect(done.missingPermissions).toEqual([]);
    expect(Date.parse(done.lastEvent ?? "")).toBeGreaterThanOrEqual(Date.parse(heard ?? ""));
    const [budget] = done.budgets;
    expect(budget?.limit).toBe(5_000);
    expect(budget?.left).toBeLessThan(5_000);
    expect(Date.parse(budget?.resetsAt ?? "")).toBeGreaterThan(Date.now());
  });

  it("counts webhooks whose signature was wrong", async () => {
    for (let time = 0; time < 2; time += 1) {
      const headers = {
        "content-type": "application/json",
        "x-github-event": "push",
        "x-github-delivery": "00000000-0000-0000-0000-000000000000",
        "x-hub-signature-256": `sha256=${"0".repeat(64)}`,
      };
      const answer = await fetch(`${world.url}/webhooks/github`, { method: "POST", headers, body: "{}" });
      expect(answer.status).toBe(401);
    }
    const { instance } = await status();
    expect(instance.refusals).toEqual([expect.objectContaining({ path: "/webhooks/github", status: 401, count: 2 })]);
  });

  it("has its page, and the operator's pages, of the same program", async () => {
    const body = new URLSearchParams({ token: ADMIN_TOKEN });
    const signedIn = await fetch(`${world.url}/auth/token`, { method: "POST", body, redirect: "manual" });
    const cookie = String(signedIn.headers.get("set-cookie")).split(";")[0] ?? "";
    for (const path of ["/status", "/admin", "/admin/queue", "/admin/claims", "/admin/connections", "/admin/audit"]) {
      const answer = await fetch(world.url + path, { headers: { accept: "text/html", cookie } });
      expect([path, answer.status]).toEqual([path, 200]);
    }
  });
});
