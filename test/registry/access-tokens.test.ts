/** Access tokens in the hands of the tools people use, with a real registry and a real database behind the token service. */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { TokenAccess } from "../../src/core/access-tokens.ts";
import { DEFAULT_REGISTRY_SETTINGS } from "../../src/core/registry-settings.ts";
import { createAccessTokens } from "../../src/engine/access-tokens.ts";
import { createAccounts } from "../../src/engine/accounts.ts";
import type { KnownRegistry } from "../../src/engine/registries.ts";
import { ensureKeyFile } from "../../src/keys.ts";
import { createStagingNames } from "../../src/registry/staging.ts";
import { openTokenKeys } from "../../src/registry/token-keys.ts";
import { createTokenService, type TokenService } from "../../src/registry/token-service.ts";
import { type OpenedStore, openStore } from "../../src/store/store.ts";
import {
  account,
  change,
  delivery,
  installationId,
  record,
  recordCovered,
  request,
} from "../contract/store.samples.ts";
import { type OciLayout, writeOciLayout } from "../support/oci-layout.ts";
import type { TestRegistry } from "../support/registry.ts";
import { startTokenRegistry } from "../support/token-registry.ts";
import { openSite, type Site } from "../web/world.ts";

const NAMES = { issuer: "wharfinger", service: "registry.example.com" };
const BY = { kind: "operator" } as const;
const LEASE = { worker: "worker-1", leaseMs: 15_000 };
const staging = createStagingNames("staging/{build}");
const warnings: Record<string, unknown>[] = [];
const log = {
  info: () => undefined,
  warn(fields: object, message: string) {
    warnings.push({ ...fields, message });
  },
  error: () => undefined,
};

let folder: string;
let store: OpenedStore;
let site: Site;
let registry: TestRegistry;
let service: TokenService;
let published: OciLayout;
let made: OciLayout;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-access-tokens-"));
  store = await openStore({ url: "sqlite::memory:", clock: Date });
  const accounts = createAccounts({ store, staging: (id) => staging.of(id, ""), clock: Date, log });
  const keys = openTokenKeys(join(folder, "data"), ensureKeyFile, Date.now());
  service = createTokenService({ ...NAMES, keys, guests: { accounts, log }, staging, clock: Date });
  site = await openSite({ registry: { tokens: service, events: null } });
  registry = await startTokenRegistry({
    ...NAMES,
    certificates: await readFile(join(folder, "data/registry-token.crt"), "utf8"),
    realm: `${site.url}/registry/token`,
  });
  published = await writeOciLayout(join(folder, "published"), "what a repository published");
  made = await writeOciLayout(join(folder, "made"), "what somebody made at home");
  for (const [id, namespace] of [
    ["7", "acme"],
    ["8", "acme-evil"],
    ["9", "other"],
  ] as const) {
    await install(id, "active");
    const grant = { account: { ...installationId(id), id: `1${id}` }, login: namespace, registry: "default" };
    await store.grantNamespace({ ...grant, namespace, why: "a test", by: BY, share: false, anyway: true });
  }
  await publish("api");
  await publish("open");
  await store.setImagePublic("acme/open", true, BY);
  for (const repository of ["acme/api", "acme/open", "acme-evil/api", "other/api", "staging/b2"])
    await seed(repository);
}, 60_000);
afterAll(async () => {
  await registry?.stop();
  await site?.close();
  await store?.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  warnings.length = 0;
});

async function install(id: string, state: "active" | "suspended" | "removed"): Promise<void> {
  await store.saveInstallation({ id: installationId(id), account: account(`1${id}`), state, permissions: {} });
}

/** A repository's build of `acme/<image>` is promoted: from here on the image is the repository's. */
async function publish(image: string): Promise<string | null | undefined> {
  await store.append([delivery(image)]);
  const moved = change(null, image, `refs/heads/${image}`);
  await recordCovered(store, (await store.findDelivery(image))?.id ?? "", record([moved], [request(moved, image)]));
  const claimed = await store.claimBuild(LEASE);
  await store.stageBuild(claimed?.build.id ?? "", claimed?.attempt ?? 0, { digest: published.digest, steps: [] });
  const promotion = await store.claimPromotion({ ...LEASE, leaseMs: 0 });
  const [id, attempt] = [promotion?.build.id ?? "", promotion?.attempt ?? 0];
  await store.finishBuild(id, attempt, { state: "succeeded", digest: published.digest, failure: null, steps: [] });
  return promotion?.othersImage;
}

/** As the service puts images in their published places. */
async function seed(repository: string): Promise<void> {
  const { token } = await service.issue([`repository:${repository}:pull,push`]);
  const to = ["--dest-registry-token", token, published.reference, `docker://${registry.name}/${repository}:latest`];
  expect(await client("skopeo", ["copy", "--dest-tls-verify=false", ...to])).toMatchObject({ code: 0 });
}

interface Token {
  readonly id: string;
  readonly user: string;
  readonly secret: string;
}

let number = 0;
async function token(access: TokenAccess, namespace = "acme"): Promise<Token> {
  number += 1;
  const registries = { ofNamespace: async () => KNOWN };
  const wish = { name: `token-${number}`, access, days: 1, account: null };
  const answer = await createAccessTokens({ store, registries, clock: Date }).make(namespace, wish, BY);
  if (answer.kind === "refused") throw new Error(answer.why);
  return { id: answer.token.id, user: namespace, secret: answer.secret };
}

const KNOWN: KnownRegistry = {
  name: "default",
  host: NAMES.service,
  settings: { ...DEFAULT_REGISTRY_SETTINGS, url: `https://${NAMES.service}`, kind: "token" },
  staging,
  namespaces: [],
  credential: () => null,
  client() {
    throw new Error("no registry is asked for an access token");
  },
};

interface Said {
  readonly code: number | null;
  readonly text: string;
}

/** Runs a client; its failure is an answer, not an error. */
async function client(command: string, args: readonly string[], stdin = ""): Promise<Said> {
  const child = spawn(command, args, { timeout: 60_000 });
  child.stdin.end(stdin);
  const [out, err, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.once("close", resolve)),
  ]);
  return { code, text: out + err };
}

const creds = ({ user, secret }: Token) => `${user}:${secret}`;

function push(to: string, as: Token): Promise<Said> {
  const args = ["copy", "--dest-tls-verify=false", "--dest-creds", creds(as), made.reference];
  return client("skopeo", [...args, `docker://${registry.name}/${to}`]);
}

async function pull(from: string, as: Token | null): Promise<Said> {
  const who = as === null ? ["--src-no-creds"] : ["--src-creds", creds(as)];
  const to = `dir:${join(folder, `pulled-${Math.random()}`)}`;
  return client("skopeo", ["copy", "--src-tls-verify=false", ...who, `docker://${registry.name}/${from}`, to]);
}

/** What the registry has, as the service sees it. */
async function digestOf(repository: string): Promise<string | null> {
  const { token } = await service.issue([`repository:${repository}:pull`]);
  const headers = { Authorization: `Bearer ${token}`, Accept: published.mediaType };
  const answer = await fetch(`${registry.url}/v2/${repository}/manifests/latest`, { method: "HEAD", headers });
  return answer.headers.get("docker-content-digest");
}

function signIn({ user, secret }: Token, scope = ""): Promise<Response> {
  const query = new URLSearchParams({ service: NAMES.service, account: user, scope });
  const authorization = `Basic ${Buffer.from(`${user}:${secret}`).toString("base64")}`;
  return fetch(`${site.url}/registry/token?${query}`, { headers: { authorization } });
}

const DENIED = /denied|unauthorized|authentication required/;

describe("with an access token", () => {
  it("buildah signs in with --password-stdin, pulls and pushes", async () => {
    const [own, authfile] = [await token("push"), join(folder, "auth.json")];
    const roots = ["--root", join(folder, "root"), "--runroot", join(folder, "runroot"), "--storage-driver", "vfs"];
    const login = ["login", "--tls-verify=false", "--authfile", authfile, "--username", "acme", "--password-stdin"];
    expect(await client("buildah", [...login, registry.name], own.secret)).toMatchObject({
      code: 0,
      text: expect.stringContaining("Login Succeeded"),
    });
    const tls = ["--tls-verify=false", "--authfile", authfile];
    const [api, tool] = ["acme/api:latest", "acme/by-buildah:1"].map((name) => `${registry.name}/${name}`);
    expect(await client("buildah", [...roots, "pull", ...tls, `docker://${api}`])).toMatchObject({ code: 0 });
    expect(await client("buildah", [...roots, "push", ...tls, `${api}`, `docker://${tool}`])).toMatchObject({
      code: 0,
    });
    const denied = await client("buildah", [
      ...roots,
      "push",
      ...tls,
      `${api}`,
      `docker://${registry.name}/acme/open:2`,
    ]);
    expect([denied.code, denied.text]).toEqual([125, expect.stringMatching(DENIED)]);
    const wrong = own.secret.replace(/.$/, (last) => (last === "a" ? "b" : "a"));
    expect(await client("buildah", [...login, registry.name], wrong)).toMatchObject({
      code: 125,
      text: expect.stringContaining("invalid username/password"),
    });
    expect((await store.accessToken(own.id))?.token.lastUsedAt).not.toBeNull();
  });

  it("that pulls, everything of its namespace is pulled and nothing pushed", async () => {
    const own = await token("pull");
    expect(await pull("acme/api:latest", own)).toMatchObject({ code: 0 });
    for (const name of ["acme/new:1", "acme/api:latest"]) {
      expect(await push(name, own)).toMatchObject({ code: 1, text: expect.stringMatching(DENIED) });
    }
    expect(await digestOf("acme/api")).toBe(published.digest);
    expect(warnings).toContainEqual({
      user: `whf_${own.id}`,
      repository: "acme/new",
      actions: ["push"],
      reason: "pull-only",
      message: "the registry was asked for more than its user may have",
    });
    // Who may not push takes no name.
    expect(await publish("new")).toBeNull();
  });

  it("that pushes, an image nobody owns is pushed, pulled by others of the namespace, and no repository's any more", async () => {
    const [own, others] = [await token("push"), await token("pull")];
    expect(await push("acme/tool:latest", own)).toMatchObject({ code: 0 });
    expect(await digestOf("acme/tool")).toBe(made.digest);
    expect(await pull("acme/tool:latest", others)).toMatchObject({ code: 0 });
    expect(await publish("tool")).toBe("access tokens");
    expect(await push("acme/tool:latest", own)).toMatchObject({ code: 0 });
  });

  it("that pushes, what a repository owns stays as it is, public or not", async () => {
    const own = await token("push");
    for (const name of ["acme/api", "acme/open"]) {
      expect(await push(`${name}:latest`, own)).toMatchObject({ code: 1, text: expect.stringMatching(DENIED) });
      expect(await digestOf(name)).toBe(published.digest);
      expect(warnings).toContainEqual(
        expect.objectContaining({
          user: `whf_${own.id}`,
          repository: name,
          actions: ["push"],
          reason: "image-not-owned",
        }),
      );
    }
  });

  it.each([
    "acme-evil/api",
    "acme-evil/new",
    "other/api",
    "other/new",
    "staging/b2",
    "staging/new",
    "acme",
    "library/busybox",
  ])("of acme nothing is pushed to %s, nor pulled from there", async (name) => {
    const own = await token("push");
    const before = await digestOf(name);
    expect(await push(`${name}:latest`, own)).toMatchObject({ code: 1, text: expect.stringMatching(DENIED) });
    expect(await digestOf(name)).toBe(before);
    if (before !== null) {
      expect(await pull(`${name}:latest`, own)).toMatchObject({ code: 1, text: expect.stringMatching(DENIED) });
    }
    expect(warnings).toContainEqual(expect.objectContaining({ user: `whf_${own.id}`, repository: name }));
  });

  it("of acme-evil nothing of acme is pulled, although the name begins like its own", async () => {
    const evil = await token("push", "acme-evil");
    expect(await pull("acme-evil/api:latest", evil)).toMatchObject({ code: 0 });
    expect(await pull("acme/api:latest", evil)).toMatchObject({ code: 1 });
    expect(warnings).toContainEqual(
      expect.objectContaining({ repository: "acme/api", actions: ["pull"], reason: "other-namespace" }),
    );
  });

  it.each([
    "repository:acme/../other/api:pull",
    "repository:acme%2F..%2Fother/api:pull",
    "repository:ACME/api:pull,push",
    "repository:Acme/api:pull",
    "repository:acme//api:pull",
    "repository:/acme/api:pull",
    "repository:acme/api\u0000:pull",
    "repository:acme_/api:pull,push",
    "repository:acme.evil/api:pull",
    "repository:other/api:pull repository:acme-evil/api:*",
    "repository:acme:pull,push",
    "repository:staging/b2:pull,push,delete",
    "registry:catalog:*",
    "repository:acme/api:delete",
    "repository(plugin):acme/api:pull",
  ])("there is no scope for %j", async (scope) => {
    const answer = await signIn(await token("push"), scope);
    expect(answer.status).toBe(200);
    const { token: given } = (await answer.json()) as { token: string };
    const claims = JSON.parse(Buffer.from(given.split(".")[1] ?? "", "base64url").toString("utf8"));
    expect(claims.access).toEqual([]);
  });

  it("nothing is deleted, what was pushed with it neither", async () => {
    const own = await token("push");
    expect(await push("acme/mine:latest", own)).toMatchObject({ code: 0 });
    const args = ["delete", "--tls-verify=false", "--creds", creds(own), `docker://${registry.name}/acme/mine:latest`];
    expect(await client("skopeo", args)).toMatchObject({ code: 1 });
    expect(await digestOf("acme/mine")).toBe(made.digest);
    expect(warnings).toContainEqual(expect.objectContaining({ repository: "acme/mine", reason: "nobody-deletes" }));
  });

  it("no layer of another namespace is mounted into its own", async () => {
    const own = await token("push");
    const scope = "repository:acme/mounted:pull,push repository:other/api:pull";
    const { token: given } = (await (await signIn(own, scope)).json()) as { token: string };
    const blob = published.blobs[1];
    const path = `/v2/acme/mounted/blobs/uploads/?mount=${blob}&from=other/api`;
    const answer = await fetch(registry.url + path, { method: "POST", headers: { Authorization: `Bearer ${given}` } });
    expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([
      401,
      expect.stringContaining("insufficient_scope"),
    ]);
  });
});

describe("without a name", () => {
  it("a public image is pulled, and also with a token of another namespace; others are not", async () => {
    expect(await pull("acme/open:latest", null)).toMatchObject({ code: 0 });
    expect(await pull("acme/open:latest", await token("pull", "acme-evil"))).toMatchObject({ code: 0 });
    for (const name of ["acme/api", "acme/tool", "acme/by-buildah"]) {
      expect(await pull(`${name}:latest`, null)).toMatchObject({ code: 1, text: expect.stringMatching(DENIED) });
    }
  });
});

describe("an access token signs in to nothing", () => {
  async function refused(as: Token, reason: string): Promise<void> {
    warnings.length = 0;
    expect(await pull("acme/api:latest", as)).toMatchObject({
      code: 1,
      text: expect.stringContaining("invalid username/password"),
    });
    expect(warnings[0]).toMatchObject({ token: `whf_${as.id}`, reason, message: "an access token was refused" });
    expect(JSON.stringify(warnings)).not.toContain(as.secret.slice(21));
  }

  it("once it is revoked, from the next question on", async () => {
    const own = await token("pull");
    expect(await pull("acme/api:latest", own)).toMatchObject({ code: 0 });
    await store.revokeAccessToken("acme", own.id, BY);
    await refused(own, "revoked");
  });

  it("under another name than its namespace's", async () => {
    await refused({ ...(await token("push")), user: "acme-evil" }, "other-namespace");
    await refused({ ...(await token("push")), user: "other" }, "other-namespace");
    const account = await signIn({ ...(await token("push")), user: "acme" });
    expect(account.status).toBe(200);
  });

  it("while its account's installation is suspended, nor when it is removed", async () => {
    const [one, other] = [await token("pull"), await token("pull")];
    try {
      await install("7", "suspended");
      await refused(one, "installation-suspended");
      await install("7", "removed");
      await refused(other, "installation-removed");
    } finally {
      await install("7", "active");
    }
    expect(await pull("acme/api:latest", await token("pull"))).toMatchObject({ code: 0 });
  });

  it("once the namespace is taken from its account, whoever has it then", async () => {
    const theirs = await token("push", "other");
    const owner = { provider: "github", host: "default", id: "19" } as const;
    await store.revokeNamespace(owner, BY);
    const grant = { account: { ...owner, id: "18" }, login: "acme-evil", registry: "default", namespace: "other" };
    try {
      await store.revokeNamespace({ ...owner, id: "18" }, BY);
      const given = await store.grantNamespace({ ...grant, why: "a test", by: BY, share: false, anyway: true });
      expect(given.kind).toBe("given");
      expect(await pull("other/api:latest", theirs)).toMatchObject({ code: 1 });
      expect(warnings[0]).toMatchObject({ reason: "namespace-lost", namespace: "other" });
    } finally {
      await store.revokeNamespace({ ...owner, id: "18" }, BY);
    }
  });
});
