import { describe, expect, it } from "@jest/globals";
import type { CliStore } from "../../src/cli/parts.ts";
import { type HostId, hostKey } from "../../src/core/model.ts";
import type { Access, AllowedAccess, NamedRepository } from "../../src/engine/further-repositories-port.ts";
import { installation } from "../web/world.ts";
import { noStore, run } from "./world.ts";

function repo(id: string, fullName: string, of = "7", provider: HostId["provider"] = "github"): NamedRepository {
  const host = { provider, host: "default" } as const;
  return { ...host, id, fullName, installation: { ...host, id: of } };
}

const REPOSITORIES = [
  repo("1", "acme/api"),
  repo("2", "acme/shared"),
  repo("3", "acme/libs"),
  repo("4", "globex/secret", "8"),
  repo("5", "acme/both"),
  repo("{6}", "acme/both", "{7}", "bitbucket"),
];

const ALLOWED: AllowedAccess = {
  repository: repo("1", "acme/api"),
  reads: repo("2", "acme/shared"),
  covered: true,
  since: "2026-11-21T10:00:00.000Z",
  by: { kind: "operator" },
};

async function access(args: readonly string[], changes: Partial<CliStore> = {}) {
  const told: string[] = [];
  const note = (what: string, { installation, repository, reads }: Access) =>
    told.push(`${what} ${[installation, repository, reads].map(hostKey).join(" ")}`);
  const store: CliStore = {
    ...noStore,
    findRepositories: async (name) =>
      REPOSITORIES.filter((one) => one.fullName === name.toLowerCase() || hostKey(one) === name),
    async allowAccess(one) {
      note("allow", one);
      return "allowed";
    },
    async disallowAccess(one) {
      note("disallow", one);
      return true;
    },
    listInstallations: async () => ({ items: [installation], next: null }),
    async listAccess({ cursor }) {
      return {
        items: [cursor === null ? ALLOWED : { ...ALLOWED, covered: false }],
        next: cursor === null ? "2" : null,
      };
    },
    ...changes,
  };
  return { ...(await run(["access", ...args], { openStore: async () => store })), told };
}

describe("access allow and disallow", () => {
  it("record the ids that names stand for", async () => {
    const ran = await access(["allow", "Acme/API", "acme/shared", "github:default:3"]);
    expect(ran).toMatchObject({ code: 0, err: "" });
    expect(ran.told).toEqual([
      "allow github:default:7 github:default:1 github:default:2",
      "allow github:default:7 github:default:1 github:default:3",
    ]);
    expect(ran.out).toContain("acme/api reads acme/libs");
    expect((await access(["disallow", "acme/api", "acme/shared"])).told).toEqual([
      "disallow github:default:7 github:default:1 github:default:2",
    ]);
  });

  it.each([
    [["acme/nobody", "acme/shared"], "no repository"],
    [["acme/api", "acme/shared", "acme/nobody"], "no repository"],
    [["acme/api", "acme/both"], "github:default:5 and bitbucket:default:{6}"],
    [["acme/api", "globex/secret"], "another installation"],
    [["acme/api", "bitbucket:default:{6}"], "another installation"],
    [["acme/api", "acme/shared", "acme/api"], "is the same repository"],
  ])("%j is refused, and nothing is changed", async (names, words) => {
    const ran = await access(["allow", ...names]);
    expect({ code: ran.code, err: ran.err, out: ran.out }).toEqual({
      code: 1,
      err: expect.stringContaining(words),
      out: "",
    });
    expect(ran.told).toEqual([]);
  });

  it("say when the installation does not cover what is named, and what was not allowed", async () => {
    const lost = await access(["allow", "acme/api", "acme/shared"], { allowAccess: async () => "not-covered" });
    expect([lost.code, lost.err]).toEqual([1, expect.stringContaining("does not cover")]);
    const none = await access(["disallow", "acme/api", "acme/shared"], { disallowAccess: async () => false });
    expect([none.code, none.out]).toEqual([0, "acme/api did not read acme/shared\n"]);
    expect((await access(["allow", "acme/api"])).code).toBe(2);
  });
});

describe("access list", () => {
  it("shows what is allowed, page after page, and what the installation lost since", async () => {
    const ran = await access(["list", "acme"]);
    expect([ran.code, ran.out]).toEqual([
      0,
      "acme/api reads acme/shared (github:default:2) since 2026-11-21\n" +
        "acme/api reads acme/shared (github:default:2) since 2026-11-21, but the installation does not cover both any more\n",
    ]);
    const json = JSON.parse((await access(["list", "--json"])).out) as { items: unknown[] };
    expect(json.items).toHaveLength(2);
    expect(json.items[0]).toEqual({
      repository: { provider: "github", host: "default", id: "1", fullName: "acme/api" },
      reads: { provider: "github", host: "default", id: "2", fullName: "acme/shared" },
      covered: true,
      since: "2026-11-21T10:00:00.000Z",
      by: { kind: "operator" },
    });
  });

  it("says how to allow something where nothing is, and does not know strangers", async () => {
    const none = await access(["list"], { listAccess: async () => ({ items: [], next: null }) });
    expect([none.code, none.out]).toEqual([0, expect.stringContaining("wharfinger access allow")]);
    expect((await access(["list", "globex"])).code).toBe(1);
  });
});
