import { describe, expect, it } from "@jest/globals";
import type { CliStore } from "../../src/cli/parts.ts";
import { DEFAULT_POLICY, type HostId, hostKey, type Installation, type Policy } from "../../src/core/model.ts";
import { installation } from "../web/world.ts";
import { noStore, run } from "./world.ts";

function anInstallation(id: string, login: string, changes: Partial<Installation> = {}): Installation {
  return { ...installation, id, account: { ...installation.account, login }, ...changes };
}

const ACME = anInstallation("7", "Acme");
const OTHER = anInstallation("8", "other", { state: "paused", namespace: null });
const BITBUCKET = anInstallation("{5d2b}", "acme-bb", { provider: "bitbucket" });
const ALL = [ACME, OTHER, BITBUCKET];

/** Two of a page, to see that pages are turned. */
function storeOf(all: readonly Installation[], changed: unknown[]): CliStore {
  return {
    ...noStore,
    async listInstallations({ cursor }) {
      const at = Number(cursor ?? 0);
      return { items: all.slice(at, at + 2), next: at + 2 < all.length ? String(at + 2) : null };
    },
    async setPolicy(id: HostId, changes: Partial<Policy>) {
      changed.push([hostKey(id), changes]);
      const found = all.find((one) => hostKey(one) === hostKey(id));
      return found === undefined ? null : { ...found.policy, ...changes };
    },
  };
}

async function policy(all: readonly Installation[], ...args: string[]) {
  const changed: unknown[] = [];
  const ran = await run(["policy", ...args], { openStore: async () => storeOf(all, changed) });
  return { ...ran, changed };
}

const DEFAULTS = "forks=approve publish-pull-requests=off only-pull-requests=off zero-config=off brake=20";

describe("policy", () => {
  it("lists all installations with what they allow", async () => {
    expect(await policy(ALL)).toEqual({
      code: 0,
      err: "",
      changed: [],
      out: `github:Acme (github:default:7): active, namespace acme
    ${DEFAULTS}
github:other (github:default:8): paused, no namespace
    ${DEFAULTS}
bitbucket:acme-bb (bitbucket:default:{5d2b}): active, namespace acme
    ${DEFAULTS}
`,
    });
    expect((await policy([])).out).toContain("There are no installations yet");
  });

  it.each(["Acme", "acme", "github:ACME", "7", "github:default:7"])(
    "shows one, named as %s, and what each setting means",
    async (name) => {
      const { code, out, changed } = await policy(ALL, name);
      expect([code, changed]).toEqual([0, []]);
      expect(out).toContain("github:Acme (github:default:7): active");
      expect(out).toMatch(/ {2}forks=approve {14}the most that may happen .* \(never, approve or test\)\n/);
      expect(out.split("\n")).toHaveLength(8);
    },
  );

  it("changes what is named, and shows how it is then", async () => {
    const { code, out, changed } = await policy(ALL, "acme", "forks=never", "publish-pull-requests=on", "brake=50");
    expect(code).toBe(0);
    expect(changed).toEqual([["github:default:7", { forks: "never", publishPullRequests: true, brake: 50 }]]);
    for (const now of ["forks=never ", "publish-pull-requests=on ", "zero-config=off ", "brake=50 "]) {
      expect(out).toContain(now);
    }
  });

  it("prints JSON as the API does", async () => {
    expect(JSON.parse((await policy(ALL, "acme", "zeroConfig=on", "--json")).out)).toMatchObject({
      id: "7",
      policy: { ...DEFAULT_POLICY, zeroConfig: true },
    });
    const list = JSON.parse((await policy(ALL, "--json")).out) as { items: { id: string }[]; next: null };
    expect([list.items.map(({ id }) => id), list.next]).toEqual([["7", "8", "{5d2b}"], null]);
  });

  it("takes a login for the installation that is there, and a removed one by its id alone", async () => {
    const gone = anInstallation("6", "Acme", { state: "removed" });
    expect((await policy([gone, ACME], "acme", "brake=5")).changed).toEqual([["github:default:7", { brake: 5 }]]);
    expect((await policy([gone, ACME], "6")).out).toContain("github:default:6");
    expect((await policy([gone], "acme")).code).toBe(1);
  });

  it.each<[string, string[], number, string]>([
    [
      "an account nobody knows",
      ["acm", "brake=5"],
      1,
      'no installation "acm" is known here. All of them: wharfinger policy',
    ],
    ["a login of the other host", ["bitbucket:acme", "brake=5"], 1, "no installation"],
    ["a name that does not exist", ["acme", "fork=never"], 2, 'there is no setting "fork"; names: forks, publish-'],
    ["a value that does not exist", ["acme", "forks=maybe"], 2, "allowed: never, approve or test"],
    ["one wrong setting among right ones", ["acme", "brake=5", "zero-config=yes"], 2, "allowed: on or off"],
    ["a setting without its value", ["acme", "forks"], 2, '"forks" is not NAME=VALUE'],
    ["wrong settings of an account nobody knows", ["acm", "forks"], 2, "is not NAME=VALUE"],
    ["settings of nobody", ["forks=never", "brake=5"], 2, "wharfinger policy ACCOUNT forks=never brake=5"],
    ["an option that does not exist", ["acme", "--forks=never"], 2, "unknown option"],
  ])("changes nothing for %s", async (_what, args, code, words) => {
    const ran = await policy(ALL, ...args);
    expect([ran.code, ran.out, ran.changed]).toEqual([code, "", []]);
    expect(ran.err).toContain(words);
  });

  it("asks which, where a name stands for several", async () => {
    const twins = [ACME, anInstallation("9", "acme", { provider: "bitbucket" }), anInstallation("10", "7")];
    const byLogin = await policy(twins, "acme", "brake=5");
    expect([byLogin.code, byLogin.changed]).toEqual([1, []]);
    expect(byLogin.err).toContain('"acme" stands for github:default:7 and bitbucket:default:9; give one of these');
    // The id of one, and the login of another.
    expect((await policy(twins, "7")).err).toContain("stands for github:default:7 and github:default:10");
    expect((await policy(twins, "bitbucket:acme", "brake=5")).changed).toEqual([["bitbucket:default:9", { brake: 5 }]]);
  });

  it("takes and shows the host, where an account is on a further one", async () => {
    const ghes = anInstallation("7", "acme", { host: "ghes" });
    const ran = await policy([ACME, ghes], "github:ghes:acme", "brake=5");
    expect([ran.code, ran.changed]).toEqual([0, [["github:ghes:7", { brake: 5 }]]]);
    expect((await policy([ACME, ghes])).out).toContain("github:ghes:acme (github:ghes:7): active");
    expect((await policy([ACME, ghes], "github:acme")).err).toContain("github:default:7 and github:ghes:7");
  });

  it("says so where the installation went away meanwhile", async () => {
    const openStore = async () => ({ ...storeOf(ALL, []), setPolicy: async () => null });
    expect(await run(["policy", "acme", "brake=5"], { openStore })).toMatchObject({
      code: 1,
      out: "",
      err: expect.stringContaining('no installation "acme" is known here'),
    });
  });

  it("prints nothing of an account's name that a terminal would obey", async () => {
    const { out } = await policy([anInstallation("7", "acme\u001b[2J\nfake")]);
    expect(out).not.toContain("\u001b");
    expect(out.split("\n")[0]).toContain("acme fake");
  });

  it("has the settings in its help", async () => {
    const { out } = await run(["policy", "--help"]);
    expect(out).toContain("publish-pull-requests  whether pull-request rules with push: true publish");
  });
});
