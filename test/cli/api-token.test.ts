import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { type OpenedStore, openStore } from "../../src/store/store.ts";
import { account, installationId } from "../contract/store.samples.ts";
import { run } from "./world.ts";

const SEVEN = installationId("7");
const ACME = account("17", "Acme");
const TOKEN = /wha_[a-z2-7]{16}_[a-z2-7]{32}/g;

let store: OpenedStore;
beforeEach(async () => {
  store = await openStore({ url: "sqlite::memory:", clock: Date });
  await store.saveInstallation({ id: SEVEN, account: ACME, state: "active", permissions: {} });
});
afterEach(() => store.close());

function token(...argv: string[]) {
  return run(["api-token", ...argv], { openStore: async () => ({ ...store, close: async () => undefined }) });
}

describe("api-token", () => {
  it("make prints a token that works, once, and keeps a digest of it", async () => {
    const { code, out, err } = await token(
      "make",
      "acme",
      "--name",
      "nightly report",
      "--role",
      "write",
      "--days",
      "30",
    );
    expect([code, err]).toEqual([0, ""]);
    const [text = "", ...more] = out.match(TOKEN) ?? [];
    expect([text, more]).toEqual([expect.stringMatching(/^wha_/), []]);
    const id = text.split("_")[1] ?? "";
    expect(out).toContain(`made     nightly report (wha_${id}): write, Acme, until `);
    const kept = await store.apiToken(id);
    expect(kept?.token).toMatchObject({ installation: SEVEN, role: "write", by: { kind: "operator" } });
    expect(JSON.stringify(kept)).not.toContain(text.split("_")[2]);
  });

  it("make gives a token the role read and ninety days unless something else is said", async () => {
    const { code, out } = await token("make", "github:Acme", "--name", "report", "--json");
    expect(code).toBe(0);
    const made = JSON.parse(out) as { role: string; createdAt: string; expiresAt: string };
    expect(made).toMatchObject({ role: "read", name: "report", token: expect.stringMatching(TOKEN) });
    const days = (Date.parse(made.expiresAt) - Date.parse(made.createdAt)) / (24 * 60 * 60 * 1_000);
    expect(Math.round(days)).toBe(90);
  });

  it.each<[string[], number, string]>([
    [["make", "nobody", "--name", "x"], 1, "no installation"],
    [["make", "acme", "--name", "-"], 2, "a token needs a name"],
    [["make", "acme", "--name", "x", "--role", "operator"], 2, "role can be read, write, owner"],
    [["make", "acme", "--name", "x", "--days", "0"], 2, "days must be"],
    [["make", "acme", "--name", "x", "--days", "1e3"], 2, "days must be"],
    [["list", "nobody"], 1, "no installation"],
    [["revoke", "acme", "report"], 1, "there is no token"],
  ])("%j answers %i and says why", async (argv, code, why) => {
    const ran = await token(...argv);
    expect([ran.code, ran.out]).toEqual([code, ""]);
    expect(ran.err).toContain(why);
  });

  it("list shows what there is, and nothing of a secret; revoke ends one by its name or its whole text", async () => {
    expect((await token("list", "acme")).out).toContain("Make one: wharfinger api-token make acme");
    const [text = ""] = (await token("make", "acme", "--name", "one")).out.match(TOKEN) ?? [];
    await token("make", "acme", "--name", "two", "--role", "owner");
    expect((await token("make", "acme", "--name", "two")).err).toContain("works there already");
    const listed = await token("list", "acme");
    expect(listed.out).toMatch(/two {2}owner {2}until .* never used\nwha_[a-z2-7]{16} {2}one {2}read/);
    expect(listed.out).not.toMatch(TOKEN);
    const wrong = await token("revoke", "acme", `${text.slice(0, -1)}x`);
    expect([wrong.code, wrong.err.includes(text.split("_")[2] ?? "")]).toEqual([1, false]);
    const id = text.split("_").slice(0, 2).join("_");
    expect((await token("revoke", "acme", id)).out).toContain(`revoked  one (${id})`);
    expect((await token("revoke", "acme", "two", "--json")).out).toContain('"revokedAt": "2');
    expect((await token("list", "acme")).out.match(/revoked/g)).toHaveLength(2);
  });
});
