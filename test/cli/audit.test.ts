import { describe, expect, it } from "@jest/globals";
import type { AuditRecord } from "../../src/core/audit.ts";
import type { Store } from "../../src/engine/store-port.ts";
import { installation } from "../web/world.ts";
import { noStore, run } from "./world.ts";

const ANN = { id: "5", login: "ann\u001b[2J\nfake" };

function record(id: string, changes: Partial<AuditRecord> = {}): AuditRecord {
  return {
    id,
    at: "2026-11-20T10:00:00.000Z",
    by: { kind: "operator" },
    action: "policy.changed",
    installation: { provider: "github", host: "default", id: "7" },
    subject: "acme",
    facts: { forks: "never" },
    ...changes,
  };
}

const PEOPLE: readonly AuditRecord[] = [
  record("1"),
  record("2", { by: { kind: "person", provider: "github", host: "default", actor: ANN }, facts: {} }),
  record("3", { by: { kind: "host", provider: "bitbucket", host: "default", actor: ANN }, facts: {} }),
  record("4", { by: { kind: "host", provider: "bitbucket", host: "default", actor: null }, facts: {} }),
  record("5", {
    by: { kind: "service" },
    installation: null,
    action: "instance.paused",
    subject: "a\u2028b",
    facts: {},
  }),
  record("6", { by: { kind: "token", id: "wha_aaaqeayeaudaoch7", name: "deploys" }, facts: {} }),
];

type Query = Parameters<Store["auditAfter"]>[1];

/** Two entries at a time, whatever is asked for. */
async function audit(records: readonly AuditRecord[], ...args: string[]) {
  const asked: Query[] = [];
  const openStore = async () => ({
    ...noStore,
    listInstallations: async () => ({ items: [installation], next: null }),
    auditAfter: async (after: string | null, query: Query) => {
      asked.push(query);
      const from = records.findIndex(({ id }) => id === after) + 1;
      return records.slice(from, from + 2);
    },
  });
  return { ...(await run(["audit", ...args], { openStore })), asked };
}

describe("audit", () => {
  it("prints every entry, oldest first, a line each, with no way to forge another", async () => {
    const { code, out, err } = await audit(PEOPLE);
    expect([code, err]).toEqual([0, ""]);
    const at = "2026-11-20T10:00:00.000Z";
    expect(out.split("\n")).toEqual([
      `${at}  github:default:7  policy.changed  acme  forks="never"  by the operator`,
      `${at}  github:default:7  policy.changed  acme  by ann fake (github:default:5)`,
      `${at}  github:default:7  policy.changed  acme  by an event of ann fake (bitbucket:default:5)`,
      `${at}  github:default:7  policy.changed  acme  by an event of bitbucket`,
      `${at}  instance  instance.paused  a b  by this program`,
      `${at}  github:default:7  policy.changed  acme  by the API token deploys (wha_aaaqeayeaudaoch7)`,
      "",
    ]);
  });

  it("exports one JSON object a line, as the API has them, ids as strings, unknown as null", async () => {
    const { out } = await audit(PEOPLE, "--json");
    const lines = out.trimEnd().split("\n");
    expect(lines).toHaveLength(6);
    expect(lines.map((one) => JSON.parse(one))).toMatchObject([
      {
        id: "1",
        at: "2026-11-20T10:00:00.000Z",
        by: { kind: "operator", provider: null, host: null, actor: null },
        action: "policy.changed",
        installation: { provider: "github", host: "default", id: "7" },
        subject: "acme",
        facts: { forks: "never" },
      },
      { by: { kind: "person", provider: "github", host: "default", actor: ANN } },
      { by: { kind: "host", provider: "bitbucket", actor: ANN } },
      { by: { kind: "host", actor: null } },
      { by: { kind: "service" }, installation: null },
      { by: { kind: "token", provider: null, host: null, actor: { id: "wha_aaaqeayeaudaoch7", login: "deploys" } } },
    ]);
  });

  it("reads a page after another until there is none, and prints nothing of an empty log", async () => {
    expect((await audit(PEOPLE)).asked).toHaveLength(4);
    expect(await audit([])).toMatchObject({ code: 0, out: "", err: "" });
  });

  it.each(["acme", "github:ACME", "7", "github:default:7"])("is of one installation, named as %s", async (name) => {
    const { asked } = await audit(PEOPLE, name);
    expect(asked[0]?.installation).toMatchObject({ provider: "github", host: "default", id: "7" });
  });

  it("is there of installations that are gone, by their key, and of no other name nobody knows", async () => {
    const gone = await audit(PEOPLE, "bitbucket:default:{5d2b}");
    expect(gone.asked[0]?.installation).toEqual({ provider: "bitbucket", host: "default", id: "{5d2b}" });
    const unknown = await audit(PEOPLE, "nobody");
    expect(unknown).toMatchObject({ code: 1, out: "", asked: [] });
    expect(unknown.err).toContain('no installation "nobody" is known here');
  });

  it.each([
    ["2026-11-20", "2026-11-20T00:00:00.000Z"],
    ["2026-11-20T10:00Z", "2026-11-20T10:00:00.000Z"],
    ["2026-11-20T10:00:00.5+02:00", "2026-11-20T08:00:00.500Z"],
  ])("begins at %s", async (given, since) => {
    expect((await audit(PEOPLE, "--since", given)).asked[0]?.since).toBe(since);
  });

  it.each(["yesterday", "2026-11-20T10:00:00", "2026-13-01", "20.11.2026", "1", ""])(
    "does not take %j for a time",
    async (given) => {
      const { code, out, err, asked } = await audit(PEOPLE, "--since", given);
      expect([code, out, asked]).toEqual([2, "", []]);
      expect(err).toContain("is not a time; give 2026-11-20");
    },
  );
});
