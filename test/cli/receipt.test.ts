import { describe, expect, it } from "@jest/globals";
import type { Receipt } from "../../src/core/receipt.ts";
import { noStore, run } from "./world.ts";

function receipt(id: string, login: string, more: Partial<Receipt> = {}): Receipt {
  return {
    id,
    installation: { provider: "github", host: "default", id: `47${id}` },
    account: { provider: "github", host: "default", id: `1${id}`, login, kind: "organization" },
    removedAt: `2026-11-2${id}T10:00:00.000Z`,
    closedAt: `2026-11-2${id}T10:00:05.000Z`,
    keptUntil: "2026-12-20T10:00:00.000Z",
    restoredAt: null,
    purgedAt: null,
    items: [
      { what: "access-tokens", state: "removed", count: 2, detail: "Revoked: one, two." },
      { what: "namespace", state: "kept", count: 1, detail: "acme stays this account's." },
    ],
    ...more,
  };
}

/** Newest first, a page for each. */
function having(...all: readonly Receipt[]) {
  const listReceipts = ({ cursor }: { readonly cursor: string | null }) => {
    const at = Number(cursor ?? 0);
    return Promise.resolve({ items: all.slice(at, at + 1), next: at + 1 < all.length ? String(at + 1) : null });
  };
  return { openStore: () => Promise.resolve({ ...noStore, listReceipts }) };
}

describe("receipt", () => {
  it("lists all of them, with how each stands", async () => {
    expect(
      await run(["receipt"], having(receipt("2", "acme"), receipt("1", "other", { closedAt: null, items: [] }))),
    ).toEqual({
      code: 0,
      out:
        "github:acme (github:default:472): removed 2026-11-22T10:00:00.000Z\n" +
        "    Nothing is left that opens anything of the account's.\n" +
        "github:other (github:default:471): removed 2026-11-21T10:00:00.000Z\n" +
        "    Builds are being stopped and staging repositories emptied; the receipt follows.\n",
      err: "",
    });
    expect((await run(["receipt"], having())).out).toBe("No account has uninstalled the app yet.\n");
  });

  it.each(["acme", "ACME", "github:acme", "472", "github:default:472"])("shows that of %s", async (account) => {
    const { code, out } = await run(["receipt", account], having(receipt("3", "other"), receipt("2", "acme")));
    expect(code).toBe(0);
    expect(out).toBe(
      "github:acme (github:default:472): removed 2026-11-22T10:00:00.000Z\n" +
        "Nothing is left that opens anything of the account's.\n" +
        "\n" +
        "  removed  access-tokens  2  Revoked: one, two.\n" +
        "  kept     namespace      1  acme stays this account's.\n",
    );
  });

  it("shows the newest where an account left twice, and as JSON if asked to", async () => {
    const { out } = await run(["receipt", "acme", "--json"], having(receipt("2", "acme"), receipt("1", "acme")));
    expect(JSON.parse(out)).toMatchObject({
      id: "2",
      account: { login: "acme" },
      items: [{ what: "access-tokens" }, {}],
    });
  });

  it("answers 1 where there is none", async () => {
    const { code, out, err } = await run(["receipt", "nobody"], having(receipt("2", "acme")));
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toContain('"nobody" has none');
  });

  it("lets nothing of a name reach the terminal but its letters", async () => {
    const { out } = await run(["receipt"], having(receipt("2", "a\u001b[2Jb\nc")));
    expect(out).not.toContain("\u001b");
    expect(out.split("\n")).toHaveLength(3);
  });
});
