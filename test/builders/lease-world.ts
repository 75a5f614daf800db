/**
 * Builds as the service hands them out: their signed requests, and what their leases are exchanged for. Before a real
 * registry that trusts our tokens, or one that knows a single account.
 */
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BuildahOptions } from "../../src/builders/buildah.ts";
import { type BuildNetwork, buildRequest } from "../../src/core/build-request.ts";
import { type Build, ok, type PlannedBuild } from "../../src/core/model.ts";
import type { Variables } from "../../src/core/variables.ts";
import { createAccounts } from "../../src/engine/accounts.ts";
import { createExchange, leaseUser } from "../../src/engine/credentials.ts";
import type { BuildContext, Builder } from "../../src/engine/ports.ts";
import { createRequestVerifier } from "../../src/engine/signing.ts";
import { withVariables } from "../../src/engine/variables.ts";
import { ensureKeyFile } from "../../src/keys.ts";
import { createStagingNames } from "../../src/registry/staging.ts";
import { openTokenKeys } from "../../src/registry/token-keys.ts";
import { createTokenService } from "../../src/registry/token-service.ts";
import type { Ran } from "../contract/builder.contract.ts";
import { buildOf } from "../engine/fakes.ts";
import type { TreeEntry } from "../hosts/git/git.ts";
import { pushBaseImage } from "../support/base-image.ts";
import { type GitServer, startGitServer } from "../support/git-server.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { requestParts } from "../support/request-parts.ts";
import { startTokenRegistry } from "../support/token-registry.ts";
import { openSite } from "../web/world.ts";
import { createTestBuilder } from "./world.ts";

/** Of the installation, in whose namespace `acme/base` is private and `public/busybox` everybody's. */
export interface LeaseWorld {
  readonly registry: TestRegistry;
  readonly git: GitServer;
  readonly workDir: string;
  /** Where tokens are given out; null: the registry has one account. */
  readonly realm: string | null;
  /** Images with a shell. */
  readonly base: { readonly private: string; readonly public: string };
  /** The next build's id, user name and secret. */
  next(): { readonly id: string; readonly username: string; readonly secret: string };
  build(files: Readonly<Record<string, TreeEntry>>, options?: LeasedBuild): Promise<Ran>;
  /** The same, but for who builds it: what a builder is given. */
  lease(files: Readonly<Record<string, TreeEntry>>, options?: LeasedBuild): Promise<Leased>;
  stop(): Promise<void>;
}

export interface LeasedBuild {
  /** Number of a pull request from a fork. Left out: somebody who may push wrote it. */
  readonly fork?: number;
  /** The commit is in the fork only, which everybody may read. */
  readonly anonymous?: boolean;
  readonly inputs?: Partial<PlannedBuild["inputs"]>;
  readonly network?: BuildNetwork;
  /** What owners have set for the installation; left out: nothing. */
  readonly set?: Variables;
  readonly signal?: AbortSignal;
  onLog?(text: string): void;
}

type Leased = Pick<BuildContext, "request" | "credentials">;

export const SERVICE = "registry.example.com";
const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };
const LIMITS = { seconds: 60, memoryBytes: 512 * 1024 ** 2, logBytes: 1024 ** 2 };

const NOTHING_SET: Variables = { variables: {}, secrets: {} };

export async function createLeaseWorld(
  kind: "tokens" | "account",
  settings: Pick<BuildahOptions, "tools"> = {},
): Promise<LeaseWorld> {
  const git = await startGitServer();
  const builds = new Map<string, { readonly build: Build; readonly secret: string }>();
  const staging = createStagingNames("staging/{build}");
  const place = kind === "tokens" ? await tokenPlace(builds, staging) : await accountPlace();
  const { registry } = place;
  const repository = "acme/base";
  const [own, open] = await Promise.all(
    [repository, "public/busybox"].map((name) => pushBaseImage(registry, { repository: name, issue: place.issue })),
  );
  const ways = place.realm === null ? [] : [new URL(place.realm).host];
  const { builder, workDir, stop } = await createTestBuilder(registry, { ways, ...settings });
  const { signer } = requestParts();
  const verify = createRequestVerifier([signer.publicKey]);
  const { username, password } = registry;
  const exchange = createExchange({
    hosts: [{ provider: "github", host: "default", cloneCredential: async () => ok(git.credential) }],
    registries: {
      signIn: async () =>
        username === null || password === null ? { kind: "lease" } : { kind: "credential", username, password },
    },
  });
  let count = 0;

  function next() {
    const id = `b-${count + 1}`;
    return { id, username: leaseUser(id), secret: `secret-of-the-lease-of-${id}` };
  }

  async function lease(files: Readonly<Record<string, TreeEntry>>, options: LeasedBuild = {}): Promise<Leased> {
    const { id, secret } = next();
    count += 1;
    const name = options.anonymous === true ? "fork" : "api";
    const sha = await git.commit(name, files);
    if (options.anonymous === true) git.open(name);
    const plain = buildOf();
    const cloneUrl = `${git.url}/${name}.git`;
    const { fork } = options;
    const planned: PlannedBuild = {
      ...plain.planned,
      sha,
      inputs: { ...plain.planned.inputs, buildArgs: {}, cache: true, ...options.inputs },
      ...(fork !== undefined && {
        trust: "untrusted",
        push: false,
        pull: { number: fork, target: "main", fork: true },
        checkout: { cloneUrl, ref: "refs/heads/main", anonymous: options.anonymous === true },
      }),
    };
    const build = buildOf({ id, planned, repository: { ...plain.repository, cloneUrl } });
    builds.set(id, { build, secret });
    const request = buildRequest(
      build,
      { actor: null, configDigest: null },
      { registry: registry.name, network: options.network ?? "none", limits: LIMITS, staging: staging.of },
    );
    const { set = NOTHING_SET } = options;
    const given = withVariables(exchange, {
      variablesOf: async () => ({ installation: set, repository: NOTHING_SET }),
    });
    return { request: verify(signer.sign(request)), credentials: () => given(build, secret) };
  }

  return {
    registry,
    git,
    workDir,
    realm: place.realm,
    base: { private: own ?? "", public: open ?? "" },
    next,
    lease,
    async build(files, options = {}) {
      const leased = await lease(files, options);
      const ran = await runBuild(builder, leased, options);
      builds.delete(leased.request.id);
      return ran;
    },
    async stop() {
      await stop();
      await place.stop();
      await git.stop();
    },
  };
}

async function runBuild(
  builder: Builder,
  leased: Leased,
  { signal = new AbortController().signal, onLog }: LeasedBuild,
): Promise<Ran> {
  let log = "";
  const steps: string[] = [];
  const end = await builder.build({
    ...leased,
    log(text) {
      log += text;
      onLog?.(text);
    },
    step: (name) => steps.push(name),
    signal,
  });
  return { end, log, steps };
}

async function accountPlace() {
  const registry = await startRegistry({ auth: true });
  return { registry, realm: null, issue: null, stop: registry.stop };
}

async function tokenPlace(
  builds: ReadonlyMap<string, { readonly build: Build; readonly secret: string }>,
  staging: ReturnType<typeof createStagingNames>,
) {
  const folder = await mkdtemp(join(tmpdir(), "wharfinger-leases-"));
  const keys = openTokenKeys(folder, ensureKeyFile, Date.now());
  const accounts = createAccounts({
    store: {
      async leaseHolder(id, secret) {
        const found = builds.get(id);
        return found?.secret === secret ? { build: found.build, until: Date.now() + 60 * 60_000 } : null;
      },
      getBuild: async (id) => builds.get(id)?.build ?? null,
      publicImages: async (names) => new Set(names.filter((name) => name.startsWith("public/"))),
      leaseEnded: async () => false,
      accessToken: async () => null,
      accessTokenUsed: async () => undefined,
      claimPushes: async () => new Map(),
    },
    staging: staging.of,
    clock: Date,
    log: SILENT,
  });
  const guests = { accounts, log: SILENT };
  const tokens = createTokenService({ issuer: "wharfinger", service: SERVICE, keys, guests, staging, clock: Date });
  const site = await openSite({ registry: { tokens, events: null } });
  const realm = `${site.url}/registry/token`;
  const registry = await startTokenRegistry({
    certificates: await readFile(join(folder, "registry-token.crt"), "utf8"),
    realm,
    issuer: "wharfinger",
    service: SERVICE,
  });
  return {
    registry,
    realm,
    issue: tokens.issue,
    async stop() {
      await registry.stop();
      await site.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A tool that writes down all it can see, environments and files, into `/mnt/scope/tmp/seen`, before it works. */
export async function nosyTool(tool: string): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "wharfinger-nosy-"));
  await chmod(folder, 0o755);
  const path = join(folder, tool);
  const script = `#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
{
  cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'
  find /mnt/job /mnt/scope/home /mnt/scope/tmp -type f ! -name seen -exec cat {} +
} >> /mnt/scope/tmp/seen 2>/dev/null
exec ${tool} "$@"
`;
  await writeFile(path, script, { mode: 0o755 });
  return { path, remove: () => rm(folder, { recursive: true }) };
}
