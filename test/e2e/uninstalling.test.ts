/**
 * Accounts that uninstall, on both hosts and through both of Bitbucket's doors: what is left is asked of the hosts, of the
 * registry and of the disk, and not of the program.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type BitbucketHost, createBitbucketHost, type HostWorkspace } from "../hosts/bitbucket/index.ts";
import { createGithubHost, type GithubHost } from "../hosts/github/index.ts";
import { type ImageRegistry, openUploads, tagsOf } from "../registry/images.ts";
import { pushBaseImage } from "../support/base-image.ts";
import { openProgramDoor } from "../support/bitbucket-program.ts";
import { compiledMain } from "../support/compiled.ts";
import { contents, leaksIn } from "../support/leaks.ts";
import { attempt } from "../support/registry-attempt.ts";
import { startTokenProgram, type TokenProgram } from "../support/token-program.ts";
import { eventually } from "../support/world.ts";

const MAIN = compiledMain();

let folder: string;
let dataDir: string;
let github: GithubHost;
let bitbucket: BitbucketHost;
let lab: TokenProgram;
let all: ImageRegistry;
let base: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-e2e-uninstalling-"));
  dataDir = join(folder, "data");
  github = await createGithubHost();
  bitbucket = await createBitbucketHost();
  lab = await startTokenProgram({ main: MAIN, github, bitbucket, dataDir });
  all = { ...lab.registry, issue: lab.issue };
}, 240_000);

afterAll(async () => {
  await lab?.stop();
  await bitbucket?.close();
  await github?.close();
  await rm(folder, { recursive: true, force: true });
});

/** One command, as an operator types it; answers what it printed. */
function wharfinger(args: readonly string[], input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd: dataDir, env: lab.program.environment };
    const child = execFile(process.execPath, [MAIN, ...args], options, (error, out, err) => {
      if (error === null) resolve(out);
      else reject(new Error(`wharfinger ${args.join(" ")}: ${out}${err}`));
    });
    child.stdin?.end(input);
  });
}

async function api<T>(path: string): Promise<T | null> {
  const headers = { authorization: `Bearer ${lab.program.adminToken}` };
  const answer = await fetch(`${lab.program.url}/api/v1${path}`, { headers });
  return answer.ok ? ((await answer.json()) as T) : null;
}

interface Receipt {
  readonly closedAt: string | null;
  readonly items: readonly { readonly what: string; readonly state: string; readonly detail: string }[];
}

function files(): Record<string, string> {
  return {
    Dockerfile: `FROM ${base}\nRUN --mount=type=secret,id=NPM_TOKEN cat /run/secrets/NPM_TOKEN | wc -c\n`,
    ".wharfinger.yml": "version: 1\nimages:\n  - { name: api, rules: [{ branch: main, tags: [latest] }] }\n",
  };
}

interface Account {
  /** As the command line takes it. */
  readonly name: string;
  readonly namespace: string;
  /** Path of its installation in the API. */
  readonly path: string;
  /** Resolves once a push of its was built and shown. */
  builds(): Promise<void>;
  uninstall(): Promise<void>;
  /** What its host still has of us. */
  left(): readonly unknown[];
  /** What only this door has to take away or to keep. */
  readonly own: readonly string[];
}

async function onGithub(): Promise<Account> {
  const acme = github.organization("acme");
  const repository = await github.repository(acme, "api", { private: true });
  await repository.commit({ message: "Begin", files: { "README.md": "hello" } });
  const installation = await github.install(acme);
  return {
    name: "github:acme",
    namespace: "acme",
    path: `/installations/github/default/${installation.id}`,
    async builds() {
      const { sha } = await github.push(repository, { files: files() });
      const check = await eventually(
        "a conclusion",
        () => repository.checkRuns(sha).find(({ conclusion }) => conclusion !== null) ?? null,
        90_000,
      );
      expect(check.conclusion).toBe("success");
    },
    async uninstall() {
      await github.uninstall(installation);
    },
    // An App has no webhooks in accounts; the host goes on knowing checks, which are the repository's.
    left: () => github.calls.filter(({ status }) => status >= 400),
    own: [],
  };
}

async function onBitbucket(door: "connect" | "webhook"): Promise<Account> {
  const workspace: HostWorkspace = bitbucket.workspace(`pier-${door}`);
  const repository = await bitbucket.repository(workspace, "api", { private: true });
  await repository.commit({ message: "Begin", files: { "README.md": "hello" } });
  await openProgramDoor(door, workspace, { program: lab.program, main: MAIN, cwd: dataDir, bitbucket });
  return {
    name: `bitbucket:pier-${door}`,
    namespace: `pier-${door}`,
    path: `/installations/bitbucket/default/${encodeURIComponent(workspace.uuid)}`,
    async builds() {
      const { sha } = await repository.push([{ branch: "main", files: files() }]);
      const status = await eventually(
        "a final status",
        () => repository.statuses(sha).find(({ state }) => state !== "INPROGRESS") ?? null,
        90_000,
      );
      expect(status.state).toBe("SUCCESSFUL");
    },
    async uninstall() {
      const install = bitbucket.installs.find((one) => one.workspace.uuid === workspace.uuid);
      if (install !== undefined) expect((await bitbucket.uninstall(install)).status).toBe(204);
      const { items } = JSON.parse(await wharfinger(["connect", "bitbucket", "--list", "--json"])) as {
        items: { id: string; workspace: { id: string } }[];
      };
      for (const { id, workspace: of } of items) {
        if (of.id === workspace.uuid) await wharfinger(["connect", "bitbucket", "--disconnect", id]);
      }
    },
    left: () => bitbucket.hooks.filter((hook) => hook.workspace.uuid === workspace.uuid),
    own: door === "connect" ? ["kept connect-secret"] : ["removed webhooks"],
  };
}

describe.each<[string, () => Promise<Account>]>([
  ["GitHub", onGithub],
  ["Bitbucket, as an add-on", () => onBitbucket("connect")],
  ["Bitbucket, by a signed webhook", () => onBitbucket("webhook")],
])("an account that uninstalls the app on %s", (_where, open) => {
  it("leaves nothing that opens anything: not at the host, not in the registry, not on the disk", async () => {
    const account = await open();
    const { name, namespace } = account;
    const claim = await eventually("a claim", async () => {
      const claims = await api<{ items: { id: string; namespace: string }[] }>("/claims?limit=100");
      return claims?.items.find((one) => one.namespace === namespace) ?? null;
    });
    await wharfinger(["claim", "approve", claim.id]);
    base = await pushBaseImage(lab.registry, { repository: `${namespace}/base`, issue: lab.issue });
    const npm = `npm-secret-of-${namespace}-0815`;
    await wharfinger(["secret", "set", name, "NPM_TOKEN"], npm);
    const made = JSON.parse(await wharfinger(["token", "create", namespace, "--name", "cluster", "--json"])) as {
      token: string;
    };
    await account.builds();
    const credential = { username: namespace, password: made.token };
    const scope = `repository:${namespace}/api:pull`;
    const pull = { method: "GET", path: `/v2/${namespace}/api/manifests/latest`, scope };
    expect(await attempt(lab, credential, pull)).toMatchObject({ status: 200 });

    await account.uninstall();
    const receipt = await eventually(
      "the receipt",
      async () => {
        const found = await api<Receipt>(`${account.path}/receipt`);
        return found !== null && found.closedAt !== null ? found : null;
      },
      120_000,
    );

    // What the program says …
    expect(receipt.items.filter(({ state }) => state === "left")).toEqual([]);
    const said = receipt.items.map(({ state, what }) => `${state} ${what}`);
    expect(said).toEqual(expect.arrayContaining(["removed secrets", "removed access-tokens", ...account.own]));
    // … and what the others say.
    expect(account.left()).toEqual([]);
    expect(await attempt(lab, credential, pull)).toMatchObject({ status: 401 });
    expect(await openUploads(all)).toEqual([]);
    const staged = (await repositories()).filter((one) => one.startsWith("staging/"));
    for (const repository of staged) expect([repository, await tagsOf(all, repository)]).toEqual([repository, []]);
    expect(await tagsOf(all, `${namespace}/api`)).toEqual(["latest"]);
    const secrets = [
      { what: "secret of builds", text: npm },
      { what: "access token", text: made.token },
    ];
    expect(leaksIn(await contents(dataDir), secrets)).toEqual([]);
    expect([...github.violations, ...bitbucket.violations]).toEqual([]);
  }, 300_000);
});

/** All there are in the registry. */
async function repositories(): Promise<readonly string[]> {
  const { token } = await lab.issue(["registry:catalog:*"]);
  const answer = await fetch(`${lab.registry.url}/v2/_catalog?n=1000`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return ((await answer.json()) as { repositories: string[] }).repositories;
}
