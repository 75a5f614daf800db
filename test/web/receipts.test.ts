import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Receipt } from "../../src/core/receipt.ts";
import { openSite, type Site } from "./world.ts";

const RECEIPT: Receipt = {
  id: "3",
  installation: { provider: "github", host: "default", id: "4711" },
  account: { provider: "github", host: "default", id: "17", login: "acme<b>", kind: "organization" },
  removedAt: "2026-11-20T10:00:00.000Z",
  closedAt: "2026-11-20T10:00:05.000Z",
  keptUntil: "2026-12-20T10:00:00.000Z",
  restoredAt: null,
  purgedAt: null,
  items: [
    { what: "webhooks", state: "left", count: 1, detail: "That of connection c2: Bitbucket answered 403." },
    { what: "secrets", state: "removed", count: 2, detail: "Erased: A (01), <script>B (02)." },
    { what: "namespace", state: "kept", count: 1, detail: "acme stays this account's." },
  ],
};
const PAGE = "/installations/github/default/4711/receipt";
const NOTHING_LEFT = { ...RECEIPT, items: RECEIPT.items.slice(1) };

let site: Site;
afterEach(() => site.close());

describe("a receipt", () => {
  beforeEach(async () => {
    site = await openSite({ receipts: [RECEIPT] });
  });

  it("is a JSON object of the API, and in a list of all", async () => {
    const { account, installation, ...rest } = RECEIPT;
    const { provider: _, host: __, ...owner } = account;
    const json = { ...rest, installation, account: owner };
    expect(await (await site.api(`/api/v1${PAGE}`)).json()).toEqual(json);
    expect(await (await site.api("/api/v1/receipts")).json()).toEqual({ items: [json], next: null });
  });

  it("is only for the operator", async () => {
    for (const path of [`/api/v1${PAGE}`, "/api/v1/receipts"]) {
      expect((await site.api(path, { headers: { Authorization: "Bearer wrong" } })).status).toBe(401);
    }
  });

  it.each(["github/default/1", "gitlab/default/4711", "github/other/4711"])(
    "is not there of %s: the page and the API say why",
    async (where) => {
      const answer = await site.api(`/api/v1/installations/${where}/receipt`);
      expect(answer.status).toBe(404);
      expect(JSON.stringify(await answer.json())).toContain("not uninstalled");
      expect((await site.page(`/installations/${where}/receipt`)).status).toBe(404);
    },
  );

  it("is a page that says first what is left, then what was removed, then what is kept", async () => {
    const html = await (await site.page(PAGE)).text();
    const places = ["Left: this should be gone", "Bitbucket answered 403", "Removed</h2>", "Kept, and why"].map(
      (text) => html.indexOf(text),
    );
    expect(places.every((place) => place > 0)).toBe(true);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(html).toContain("Not everything could be removed");
    expect(html).toContain("2026-12-20 10:00:00 UTC");
    expect(html).not.toContain("<script>B");
    expect(html).not.toContain("acme<b>");
  });
});

describe("how a receipt stands", () => {
  it.each<[string, Partial<Receipt>, string]>([
    ["open", { closedAt: null, keptUntil: null, items: [] }, "Builds are being stopped"],
    ["closed", {}, "Nothing is left that opens anything"],
    ["purged", { purgedAt: "2026-12-20T11:00:00.000Z" }, "purged on 2026-12-20"],
    ["restored", { restoredAt: "2026-12-01T11:00:00.000Z" }, "has installed the app again"],
  ])("%s", async (_what, more, sentence) => {
    site = await openSite({ receipts: [{ ...NOTHING_LEFT, ...more }] });
    expect(await (await site.page(PAGE)).text()).toContain(sentence);
  });
});
