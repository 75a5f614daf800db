/** Two installations with one of everything each: what is asked of one tells nothing of the other, and changes nothing there. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import type { By } from "../../src/core/audit.ts";
import type { Account, HostId, Repository } from "../../src/core/model.ts";
import type { NewVariable } from "../../src/engine/variables-port.ts";
import { packageRoot } from "../../src/version.ts";
import type { Opened, OpenedStore } from "./store.contract.ts";
import { change, delivery, give, record, request } from "./store.samples.ts";

type Store = OpenedStore["store"];

const OPERATOR: By = { kind: "operator" };
const ALL = { limit: 100, cursor: null } as const;

/** Everything of a tenant has its mark in it: whoever is told of another one's shows by that. */
interface Tenant {
  readonly mark: string;
  readonly id: HostId;
  readonly account: Account;
  readonly repositories: readonly [Repository, Repository];
}

function tenant(mark: string, host: Pick<HostId, "provider" | "host">, id: string): Tenant {
  const repository = (name: string): Repository => ({
    ...host,
    id: `${id}-${name}`,
    fullName: `${mark}/${name}`,
    private: true,
    defaultBranch: "main",
    cloneUrl: `https://git.test/${mark}/${name}.git`,
    webUrl: `https://git.test/${mark}/${name}`,
  });
  const account = { ...host, id: `account-${id}`, login: mark, kind: "organization" } as const;
  return { mark, id: { ...host, id }, account, repositories: [repository("api"), repository("lib")] };
}

const GITHUB = { provider: "github", host: "default" } as const;
const OURS = tenant("ours", GITHUB, "7");

/** Whose ids a careless comparison takes for ours. */
const OTHERS: readonly (readonly [string, Tenant])[] = [
  ["an id that begins like ours", tenant("theirs", GITHUB, "77")],
  ["our id on another host", tenant("theirs", { provider: "github", host: "default2" }, "7")],
  ["our id at another provider", tenant("theirs", { provider: "bitbucket", host: "default" }, "7")],
  ["an id with what LIKE takes for anything", tenant("theirs", GITHUB, "%")],
];

async function fill(store: Store, { mark, id, account, repositories }: Tenant): Promise<void> {
  const [api, lib] = repositories;
  await store.saveInstallation({ id, account, state: "active", permissions: { [mark]: "read" } });
  await store.linkRepositories(id, repositories, { complete: true });
  await give(store, account, mark);
  await store.append([
    delivery(`delivery of ${mark}`, {
      provider: id.provider,
      host: id.host,
      installationId: id.id,
      repositoryId: api.id,
      repositoryName: api.fullName,
    }),
  ]);
  const known = await store.findDelivery(`delivery of ${mark}`);
  await store.claimDeliveries({ limit: 10, leaseMs: 60_000 });
  const moved = change(null, mark);
  const what = record([moved], [request(moved, mark)], { repository: api, installation: id, namespace: mark });
  if ((await store.recordPlan(known?.id ?? "", what)).length !== 1) throw new Error(`${mark} builds nothing`);
  for (const [place, kind] of [
    [null, "variable"],
    [api, "secret"],
  ] as const) {
    const variable: NewVariable = { kind, name: `${kind.toUpperCase()}_OF_${mark.toUpperCase()}`, value: mark };
    await store.saveVariable({ installation: id, repository: place }, variable, OPERATOR);
  }
  await store.allowAccess({ installation: id, repository: api, reads: lib }, OPERATOR);
  const until = Date.parse("2030-01-01T00:00:00Z");
  const token = {
    id: `token-of-${mark}`,
    hash: mark,
    installation: id,
    name: mark,
    role: "read",
    expiresAt: until,
  } as const;
  await store.saveApiToken(token, OPERATOR);
  const address = `${mark}@mail.example`;
  await store.saveTarget({ installation: id, kind: "email", shown: address, address, events: ["failed"] }, OPERATOR);
  await store.pause({ kind: "repository", id: lib }, { by: OPERATOR, stop: false });
}

/** Everything somebody can ask of an installation, by the method of the store. */
const READS: Readonly<Record<string, (store: Store, of: Tenant) => Promise<unknown>>> = {
  getInstallation: (store, { id }) => store.getInstallation(id),
  listBuilds: async (store, { id }) => [
    await store.listBuilds({ ...ALL, installation: id }),
    await store.listBuilds({ ...ALL, installations: [id] }),
  ],
  listDeliveries: async (store, { id }) => [
    await store.listDeliveries({ ...ALL, installation: id }),
    await store.listDeliveries({ ...ALL, installations: [id] }),
  ],
  repositoriesOf: (store, { id }) => store.repositoriesOf(id, 100),
  countRepositories: async (store, { id }) => [...(await store.countRepositories([id])).values()],
  listVariables: async (store, { id, repositories: [api] }) => [
    await store.listVariables({ installation: id, repository: null }),
    await store.listVariables({ installation: id, repository: api }),
  ],
  variablesOf: (store, { id, repositories: [api] }) => store.variablesOf(id, api),
  listAccess: async (store, { id, repositories: [api] }) => [
    await store.listAccess({ ...ALL, installation: id }),
    await store.listAccess({ ...ALL, installation: id, repository: api }),
  ],
  coveredRepositories: (store, { id, repositories: [api] }) =>
    store.coveredRepositories({ installation: id, repository: api }, { names: ["ours/lib", "theirs/lib"] }),
  listApiTokens: (store, { id }) => store.listApiTokens({ ...ALL, installation: id }),
  listTargets: (store, { id }) => store.listTargets(id),
  listAudit: (store, { id }) => store.listAudit({ ...ALL, installation: id }),
  pausesOf: (store, { id, repositories: [, lib] }) => store.pausesOf({ installation: id, repository: lib }),
  countBuilds: (store, { id }) => store.countBuilds({ kind: "installation", id }),
  waitingLanes: (store, { id }) => store.waitingLanes({ kind: "installation", id }, { lifted: true }),
  standings: async (store, { id }) => [...(await store.standings([id])).values()],
  holdings: (store, { id }) => store.holdings(id),
  receipt: (store, { id }) => store.receipt(id),
  recordedBuilds: async (store, { id }) => {
    const ids = await store.recordedBuilds(id, 100);
    return Promise.all(ids.map(async (build) => (await store.getBuild(build))?.image));
  },
  namespaceAccounts: (store, { mark }) => store.namespaceAccounts(mark),
  toldPlaces: async (store, { repositories: [api] }) => [...(await store.toldPlaces(api, ["refs/heads/main"]))],
  isAwaited: (store, { repositories: [api] }) => store.isAwaited(api),
};

/** What of one installation is asked about something of another one: nothing is there, and nothing becomes of it. */
const CROSSED: Readonly<
  Record<string, (store: Store, ours: Tenant, theirs: Tenant) => Promise<readonly [unknown, unknown]>>
> = {
  linkState: async (store, { id }, { repositories: [api] }) => [await store.linkState(id, api), "unlinked"],
  // That it is known elsewhere is recorded for all: its own host says who has it now.
  recordedRepository: async (store, { id }, { repositories: [api] }) => [
    (await store.recordedRepository(id, api))?.link,
    "unlinked",
  ],
  variablesOf: async (store, { id }, { repositories: [api] }) => [
    await store.variablesOf(id, api),
    { installation: { variables: {}, secrets: {} }, repository: { variables: {}, secrets: {} } },
  ],
  saveVariable: async (store, { id }, { repositories: [api] }) => [
    await store.saveVariable(
      { installation: id, repository: api },
      { kind: "variable", name: "A", value: "a" },
      OPERATOR,
    ),
    { kind: "unknown" },
  ],
  removeVariable: async (store, { id }, { mark, repositories: [api] }) => [
    await store.removeVariable(
      { installation: id, repository: api },
      { kind: "secret", name: `SECRET_OF_${mark.toUpperCase()}` },
      OPERATOR,
    ),
    false,
  ],
  allowAccess: async (store, { id, repositories: [, lib] }, { repositories: [api] }) => [
    [
      await store.allowAccess({ installation: id, repository: lib, reads: api }, OPERATOR),
      await store.allowAccess({ installation: id, repository: api, reads: lib }, OPERATOR),
    ],
    ["not-covered", "not-covered"],
  ],
  disallowAccess: async (store, { id }, { repositories: [api, lib] }) => [
    await store.disallowAccess({ installation: id, repository: api, reads: lib }, OPERATOR),
    false,
  ],
  coveredRepositories: async (store, { id, repositories: [api] }, { mark, repositories: [theirs] }) => {
    const found = await store.coveredRepositories({ installation: id, repository: api }, { ids: [theirs.id] });
    // On another host the id may be that of a repository of ours.
    return [found.filter(({ fullName }) => fullName.startsWith(mark)), []];
  },
  revokeApiToken: async (store, { id }, { mark }) => [
    await store.revokeApiToken(id, `token-of-${mark}`, OPERATOR),
    null,
  ],
  targetAddress: async (store, { id }, theirs) => [await store.targetAddress(id, await targetOf(store, theirs)), null],
  removeTarget: async (store, { id }, theirs) => [
    await store.removeTarget(id, await targetOf(store, theirs), OPERATOR),
    false,
  ],
  unlinkRepositories: async (store, { id }, { repositories }) => [
    await store.unlinkRepositories(id, repositories),
    undefined,
  ],
};

/** What ends everything of a kind of one installation. */
const ENDS: Readonly<Record<string, (store: Store, of: Tenant) => Promise<unknown>>> = {
  cancelInstallation: (store, { id }) => store.cancelInstallation(id),
  eraseVariables: (store, { id }) => store.eraseVariables(id, OPERATOR),
  eraseTargets: (store, { id }) => store.eraseTargets(id, OPERATOR),
  setPolicy: (store, { id }) => store.setPolicy(id, { forks: "never" }, OPERATOR),
  linkRepositories: (store, { id }) => store.linkRepositories(id, [], { complete: true }),
  withdrawClaim: (store, { id }) => store.withdrawClaim(id),
  reviveChecks: (store, { id }) => store.reviveChecks(id),
  setInstallationState: (store, { id }) => store.setInstallationState(id, "removed"),
  eraseHoldings: (store, { id }) => store.eraseHoldings(id, OPERATOR),
  closeReceipt: (store, { id }) => store.closeReceipt(id, [], "2026-11-20T10:00:00.000Z"),
  purgeInstallation: (store, { id }) => store.purgeInstallation(id, []),
};

/** Methods that take some other id than an installation's, or are looked at elsewhere: the whole of a plan or of a claim. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  "saveInstallation",
  "hearRepositories",
  "recordPlan",
  "settleClaim",
  "widenReach",
  "revokeNamespace",
  "endSessionsOf",
  "configFiles",
  "repositoryOf",
  "heldBuilds",
  "buildsOfCommit",
  "endComparison",
]);

async function targetOf(store: Store, { id }: Tenant): Promise<string> {
  return (await store.listTargets(id))[0]?.id ?? "";
}

async function everything(store: Store, of: Tenant): Promise<unknown> {
  const read: unknown[] = [];
  for (const [name, ask] of Object.entries(READS)) read.push([name, await ask(store, of)]);
  return read;
}

export function tenantsContract(opened: Opened): void {
  describe.each(OTHERS)("keeps an installation apart from %s", (_how, theirs) => {
    it("in everything that is asked of it", async () => {
      const { store } = opened();
      await fill(store, OURS);
      const alone = await everything(store, OURS);
      await fill(store, theirs);
      expect(await everything(store, OURS)).toEqual(alone);
      expect(JSON.stringify(alone)).toContain("ours");
      const told = await everything(store, theirs);
      expect(JSON.stringify(told)).toContain("theirs");
      for (const [name, answer] of told as readonly [string, unknown][]) {
        expect([name, JSON.stringify(answer)]).toEqual([name, expect.not.stringContaining("ours")]);
      }
    });

    it("in everything that is done there with what is the other's", async () => {
      const { store } = opened();
      await fill(store, OURS);
      await fill(store, theirs);
      const before = await everything(store, theirs);
      for (const [name, cross] of Object.entries(CROSSED)) {
        const [answer, expected] = await cross(store, OURS, theirs);
        expect([name, answer]).toEqual([name, expected]);
        expect([name, await everything(store, theirs)]).toEqual([name, before]);
      }
    });

    it("in everything that ends there", async () => {
      const { store } = opened();
      await fill(store, OURS);
      await fill(store, theirs);
      const before = await everything(store, theirs);
      for (const [name, end] of Object.entries(ENDS)) {
        await end(store, OURS);
        expect([name, await everything(store, theirs)]).toEqual([name, before]);
      }
    });
  });

  it("has every method that names an installation in one of these tables", () => {
    const engine = join(packageRoot, "src/engine");
    const ports = readdirSync(engine).filter((file) => file.endsWith("port.ts"));
    const named = ports.flatMap((file) => {
      const text = readFileSync(join(engine, file), "utf8");
      return [...text.matchAll(/^ {2}(\w+)\(\s*(?:\w+: HostId|[^)]*\binstallations?\??: (?:readonly )?HostId)/gm)].map(
        ([, name = ""]) => name,
      );
    });
    const known = new Set([READS, CROSSED, ENDS].flatMap(Object.keys));
    const store: object = opened().store;
    const missing = named.filter((name) => name in store && !known.has(name) && !ELSEWHERE.has(name));
    expect([...new Set(missing)]).toEqual([]);
    expect(named.length).toBeGreaterThan(20);
  });
}
