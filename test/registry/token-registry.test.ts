/** The token service in front of a real registry, and the tools people use as its clients. */

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { parse } from "yaml";
import { ensureKeyFile } from "../../src/keys.ts";
import type { Accounts } from "../../src/registry/admission.ts";
import { createStagingNames } from "../../src/registry/staging.ts";
import type { BuildHolder } from "../../src/registry/token-grants.ts";
import { type KidFormat, openTokenKeys, type TokenKeys } from "../../src/registry/token-keys.ts";
import { createTokenService, LEEWAY_SECONDS, TOKEN_SECONDS } from "../../src/registry/token-service.ts";
import { packageRoot } from "../../src/version.ts";
import type { PushEvent } from "../../src/web/registry.ts";
import { type OciLayout, writeOciLayout } from "../support/oci-layout.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { startTokenRegistry } from "../support/token-registry.ts";
import { openSite, type Site } from "../web/world.ts";

const run = promisify(execFile);
const ISSUER = "wharfinger";
const SERVICE = "registry.example.com";
const EVENTS_SECRET = "the-secret-of-the-notifications-0815";
const staging = createStagingNames("staging/{build}");
const HOUR = 60 * 60 * 1_000;

let folder: string;
let keys: TokenKeys;
let site: Site;
let registry: TestRegistry;
let image: OciLayout;
let published: OciLayout;
/** By user name; what leaves it has no lease any more. */
const leases = new Map<string, { readonly password: string; readonly holder: BuildHolder }>();
const pushes: PushEvent[] = [];
const asked: string[] = [];

const accounts: Accounts = {
  async verify(username, password) {
    const found = leases.get(username);
    return found !== undefined && found.password === password ? found.holder : null;
  },
  async pullable(holder, repositories) {
    asked.push(...repositories);
    return new Set(repositories.filter((name) => name.startsWith(holder.kind === "build" ? "acme/" : "public/")));
  },
  pushable: async () => new Map(),
};
const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };
const guests = { accounts, log: SILENT };

function tokenService(kidFormat: KidFormat = "libtrust", from: TokenKeys = keys, clockOffset = 0) {
  const clock = { now: () => Date.now() + clockOffset };
  return createTokenService({ issuer: ISSUER, service: SERVICE, keys: from, guests, staging, clock, kidFormat });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-token-registry-"));
  keys = openTokenKeys(join(folder, "data"), ensureKeyFile, Date.now());
  const events = {
    secret: EVENTS_SECRET,
    buildAt: staging.buildAt,
    async onPush(event: PushEvent) {
      pushes.push(event);
    },
  };
  site = await openSite({ registry: { tokens: tokenService(), events } });
  registry = await startTokenRegistry({
    certificates: await readFile(join(folder, "data/registry-token.crt"), "utf8"),
    realm: `${site.url}/registry/token`,
    issuer: ISSUER,
    service: SERVICE,
    events: { url: `${site.url}/registry/events`, secret: EVENTS_SECRET },
  });
  image = await writeOciLayout(join(folder, "image"), "what the build made");
  published = await writeOciLayout(join(folder, "published"), "what was there before");
  for (const repository of ["acme/api", "other/api", "public/busybox", "staging/b2"]) await seed(repository);
});
afterAll(async () => {
  await registry?.stop();
  await site?.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  leases.clear();
  lease("b1", "staging/b1");
});

function lease(buildId: string, staging: string): void {
  const holder: BuildHolder = { kind: "build", buildId, staging, until: Date.now() + HOUR };
  leases.set(`build-${buildId}`, { password: `secret-of-${buildId}`, holder });
}

/** As the service puts images in their published places. */
async function seed(repository: string): Promise<void> {
  const { token } = await tokenService().issue([`repository:${repository}:pull,push`]);
  const args = ["copy", "--dest-tls-verify=false", "--dest-registry-token", token, published.reference];
  await run("skopeo", [...args, `docker://${registry.name}/${repository}:latest`]);
}

interface Said {
  readonly code: number;
  readonly text: string;
}

/** Runs a client; its failure is an answer, not an error. */
async function client(command: string, args: readonly string[]): Promise<Said> {
  const env = { ...process.env, REGISTRY_AUTH_FILE: join(folder, "auth.json") };
  return await run(command, args, { env, timeout: 60_000 }).then(
    ({ stdout, stderr }) => ({ code: 0, text: stdout + stderr }),
    (error: { code?: unknown; stdout?: string; stderr?: string }) => {
      if (typeof error.code !== "number") throw error;
      return { code: error.code, text: `${error.stdout}${error.stderr}` };
    },
  );
}

function push(repository: string, credential = "build-b1:secret-of-b1", where = registry): Promise<Said> {
  const to = `docker://${where.name}/${repository}:build`;
  return client("skopeo", ["copy", "--dest-tls-verify=false", "--dest-creds", credential, image.reference, to]);
}

interface Question {
  readonly method: string;
  readonly path: string;
  readonly body?: Buffer;
  readonly type?: string;
}

/** Asks as clients do: without a token, then with the one the token service gives for what the registry wants. */
async function ask({ method, path, body, type }: Question, credential: string | null): Promise<Response> {
  const send = (headers: Record<string, string>) =>
    fetch(registry.url + path, {
      method,
      headers: { ...headers, ...(type === undefined ? {} : { "Content-Type": type }) },
      ...(body === undefined ? {} : { body: new Uint8Array(body) }),
    });
  const refused = await send({});
  expect(refused.status).toBe(401);
  await refused.body?.cancel();
  const wanted = new Map(
    [...(refused.headers.get("www-authenticate") ?? "").matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [
      name,
      value,
    ]),
  );
  const realm = new URL(wanted.get("realm") ?? "");
  realm.searchParams.set("service", wanted.get("service") ?? "");
  for (const scope of (wanted.get("scope") ?? "").split(" ")) realm.searchParams.append("scope", scope);
  const headers: Record<string, string> = {};
  if (credential !== null) headers["Authorization"] = `Basic ${Buffer.from(credential).toString("base64")}`;
  const answer = await fetch(realm, { headers });
  // What can not be granted is no error here; the registry itself refuses.
  expect(answer.status).toBe(200);
  const { token } = (await answer.json()) as { token: string };
  return await send({ Authorization: `Bearer ${token}` });
}

/** What the registry says of a token of the service that opens `acme/api`. */
async function judged(token: string): Promise<string> {
  const answer = await fetch(`${registry.url}/v2/acme/api/tags/list`, {
    headers: { Authorization: `Bearer ${token}` },
  });
  await answer.body?.cancel();
  return answer.ok
    ? "accepted"
    : `${answer.status} ${/error="(\w+)"/.exec(answer.headers.get("www-authenticate") ?? "")?.[1]}`;
}

const READ_API = ["repository:acme/api:pull"];

describe("a build's credential", () => {
  it("lets skopeo push to the build's staging repository, and read it back", async () => {
    expect(await push("staging/b1")).toMatchObject({ code: 0 });
    const inspected = await client("skopeo", [
      "inspect",
      "--tls-verify=false",
      "--creds=build-b1:secret-of-b1",
      `docker://${registry.name}/staging/b1:build`,
    ]);
    expect(JSON.parse(inspected.text)).toMatchObject({ Digest: image.digest });
  });

  it("lets buildah sign in and push, from a file that names the staging repository", async () => {
    lease("b5", "staging/b5");
    const roots = ["--root", join(folder, "root"), "--runroot", join(folder, "runroot"), "--storage-driver", "vfs"];
    const local = "localhost/made";
    expect(
      await client("skopeo", [
        "copy",
        image.reference,
        `containers-storage:[vfs@${join(folder, "root")}+${join(folder, "runroot")}]${local}`,
      ]),
    ).toMatchObject({ code: 0 });
    const auth = Buffer.from("build-b5:secret-of-b5").toString("base64");
    await writeFile(
      join(folder, "auth.json"),
      JSON.stringify({ auths: { [`${registry.name}/staging/b5`]: { auth } } }),
    );
    const pushTo = (to: string) =>
      client("buildah", [...roots, "push", "--tls-verify=false", local, `docker://${registry.name}/${to}`]);
    expect(await pushTo("staging/b5:build")).toMatchObject({ code: 0 });
    const login = ["login", "--tls-verify=false", "--authfile", join(folder, "login.json")];
    const signIn = (password: string) => client("buildah", [...login, "-u", "build-b5", "-p", password, registry.name]);
    expect(await signIn("secret-of-b5")).toMatchObject({ code: 0, text: expect.stringContaining("Login Succeeded") });
    expect(await signIn("wrong")).toMatchObject({
      code: 125,
      text: expect.stringContaining("invalid username/password"),
    });
    const denied = await pushTo("acme/api:latest");
    expect(denied.code).toBe(125);
    expect(denied.text).toMatch(/denied|unauthorized/);
  });

  it.each(["acme/api", "acme/new", "other/api", "public/busybox", "staging/b2", "staging/b1/more", "staging/b3"])(
    "lets skopeo push nothing to %s: the registry denies it",
    async (repository) => {
      const said = await push(repository);
      expect(said.code).toBe(1);
      expect(said.text).toMatch(
        /denied: requested access to the resource is denied|unauthorized: authentication required/,
      );
    },
  );

  const digest = () => published.digest;
  const refusals: readonly (readonly [title: string, question: () => Question])[] = [
    ["to move a published tag", () => ({ ...manifest(), path: "/v2/acme/api/manifests/latest" })],
    ["to move a tag of another namespace", () => ({ ...manifest(), path: "/v2/other/api/manifests/latest" })],
    ["to move a tag in another build's staging", () => ({ ...manifest(), path: "/v2/staging/b2/manifests/build" })],
    ["to begin an upload into a published image", () => ({ method: "POST", path: "/v2/acme/api/blobs/uploads/" })],
    ["to mount its own layer into a published image", () => mount("acme/api", "staging/b1")],
    ["to mount another namespace's layer into its staging", () => mount("staging/b1", "other/api")],
    ["to mount another build's layer into its staging", () => mount("staging/b1", "staging/b2")],
    ["to read another namespace's image", () => ({ method: "GET", path: `/v2/other/api/manifests/${digest()}` })],
    ["to read another build's image", () => ({ method: "GET", path: `/v2/staging/b2/manifests/${digest()}` })],
    ["to list another build's tags", () => ({ method: "GET", path: "/v2/staging/b2/tags/list" })],
    [
      "to read a layer of another namespace",
      () => ({ method: "GET", path: `/v2/other/api/blobs/${published.blobs[1]}` }),
    ],
    ["to delete its own manifest", () => ({ method: "DELETE", path: `/v2/staging/b1/manifests/${image.digest}` })],
    ["to delete a published manifest", () => ({ method: "DELETE", path: `/v2/acme/api/manifests/${digest()}` })],
    ["to delete a published layer", () => ({ method: "DELETE", path: `/v2/acme/api/blobs/${published.blobs[1]}` })],
    ["to list all repositories", () => ({ method: "GET", path: "/v2/_catalog" })],
  ];
  it.each(refusals)("is not enough %s: the registry refuses", async (_title, question) => {
    expect(await push("staging/b1")).toMatchObject({ code: 0 });
    const answer = await ask(question(), "build-b1:secret-of-b1");
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toContain('error="insufficient_scope"');
    expect(await answer.json()).toMatchObject({ errors: [{ code: "UNAUTHORIZED" }] });
  });

  it("opens what its installation owns for reading", async () => {
    const answer = await ask(
      { method: "GET", path: `/v2/acme/api/blobs/${published.blobs[1]}` },
      "build-b1:secret-of-b1",
    );
    expect(answer.status).toBe(200);
    // Layers of base images are taken over instead of pushed again.
    expect((await ask(mount("staging/b1", "acme/api"), "build-b1:secret-of-b1")).status).toBe(201);
    expect((await ask({ method: "GET", path: "/v2/acme/api/tags/list" }, "build-b1:secret-of-b1")).status).toBe(200);
  });

  it("opens nothing once the lease is over, or with another password", async () => {
    expect(await push("staging/b1", "build-b1:wrong")).toMatchObject({
      code: 1,
      text: expect.stringContaining("invalid username/password"),
    });
    leases.clear();
    expect(await push("staging/b1")).toMatchObject({
      code: 1,
      text: expect.stringContaining("invalid username/password"),
    });
    const holder: BuildHolder = { kind: "build", buildId: "b1", staging: "staging/b1", until: Date.now() - 1 };
    leases.set("build-b1", { password: "secret-of-b1", holder });
    expect(await push("staging/b1")).toMatchObject({ code: 1 });
  });

  function manifest(): Pick<Question, "method" | "body" | "type"> {
    return { method: "PUT", body: image.manifest, type: image.mediaType };
  }

  function mount(to: string, from: string): Question {
    const blob = (from === "staging/b1" ? image : published).blobs[1];
    return { method: "POST", path: `/v2/${to}/blobs/uploads/?mount=${blob}&from=${from}` };
  }
});

describe("what was published", () => {
  it("is what it was", async () => {
    for (const repository of ["acme/api", "other/api", "public/busybox"]) {
      const { token } = await tokenService().issue([`repository:${repository}:pull`]);
      const headers = { Authorization: `Bearer ${token}`, Accept: published.mediaType };
      const answer = await fetch(`${registry.url}/v2/${repository}/manifests/latest`, { method: "HEAD", headers });
      expect(answer.headers.get("docker-content-digest")).toBe(published.digest);
      const tags = await fetch(`${registry.url}/v2/${repository}/tags/list`, { headers });
      expect(await tags.json()).toEqual({ name: repository, tags: ["latest"] });
    }
  });
});

describe("without credentials", () => {
  const inspect = (repository: string) =>
    client("skopeo", ["inspect", "--no-creds", "--tls-verify=false", `docker://${registry.name}/${repository}:latest`]);

  it("public images can be read", async () => {
    expect(await inspect("public/busybox")).toMatchObject({ code: 0 });
  });

  it.each(["acme/api", "other/api", "staging/b2"])("%s can not", async (repository) => {
    const said = await inspect(repository);
    expect(said.code).toBe(1);
    expect(said.text).toMatch(/denied|unauthorized/);
  });

  it("staging is never even looked up", () => {
    expect(asked.filter((name) => name.startsWith("staging/"))).toEqual([]);
    expect(asked).toContain("public/busybox");
  });
});

describe("the service's own tokens", () => {
  it("list all repositories, and delete", async () => {
    const { token } = await tokenService().issue(["registry:catalog:*", "repository:staging/b2:pull,push,delete"]);
    const headers = { Authorization: `Bearer ${token}` };
    const list = await fetch(`${registry.url}/v2/_catalog`, { headers });
    expect(await list.json()).toMatchObject({ repositories: expect.arrayContaining(["acme/api", "staging/b2"]) });
    const path = `/v2/staging/b2/manifests/${published.digest}`;
    expect((await fetch(registry.url + path, { method: "DELETE", headers })).status).toBe(202);
    await seed("staging/b2");
  });

  it.each([
    ["libtrust", "accepted"],
    ["x5c", "accepted"],
    ["rfc7638", "401 invalid_token"],
  ] as const)("with the key named by %s are, by this registry, %s", async (format, expected) => {
    expect(await judged((await tokenService(format).issue(READ_API)).token)).toBe(expected);
  });

  it("are for this issuer, this registry and these keys only", async () => {
    const options = { issuer: ISSUER, service: SERVICE, keys, guests: null, staging, clock: { now: () => Date.now() } };
    const strangers = openTokenKeys(join(folder, "strangers"), ensureKeyFile, Date.now());
    for (const other of [{ issuer: "another" }, { service: "another" }, { keys: strangers }]) {
      const { token } = await createTokenService({ ...options, ...other }).issue(READ_API);
      expect(await judged(token)).toBe("401 invalid_token");
      const x5c = await createTokenService({ ...options, ...other, kidFormat: "x5c" }).issue(READ_API);
      expect(await judged(x5c.token)).toBe("401 invalid_token");
    }
  });

  it("can be used for as long as the documentation says, and no longer", async () => {
    const issuedBefore = async (seconds: number) =>
      (await tokenService("libtrust", keys, -seconds * 1_000).issue(READ_API)).token;
    expect(await judged(await issuedBefore(TOKEN_SECONDS + LEEWAY_SECONDS - 10))).toBe("accepted");
    expect(await judged(await issuedBefore(TOKEN_SECONDS + LEEWAY_SECONDS + 2))).toBe("401 invalid_token");
  });
});

describe("a token given to a build", () => {
  /** Given out so long ago, when the lease had that long to go. */
  async function given(secondsAgo: number, leaseSeconds: number): Promise<string> {
    const then = Date.now() - secondsAgo * 1_000;
    const holder: BuildHolder = {
      kind: "build",
      buildId: "b1",
      staging: "staging/b1",
      until: then + leaseSeconds * 1_000,
    };
    leases.set("build-b1", { password: "secret-of-b1", holder });
    const query = new URLSearchParams({ scope: "repository:acme/api:pull" });
    const authorization = `Basic ${Buffer.from("build-b1:secret-of-b1").toString("base64")}`;
    const answer = await tokenService("libtrust", keys, -secondsAgo * 1_000).answer({ query, authorization, from: "" });
    expect(answer.status).toBe(200);
    return (answer.body as { token: string }).token;
  }

  it("ends with the lease it was given for, but for the registry's leeway", async () => {
    expect(await judged(await given(15 + LEEWAY_SECONDS - 10, 15))).toBe("accepted");
    expect(await judged(await given(15 + LEEWAY_SECONDS + 2, 15))).toBe("401 invalid_token");
  });

  it("is good for the minute clients count on, however short the lease", async () => {
    expect(await judged(await given(58, 1))).toBe("accepted");
  });
});

describe("rotating the key", () => {
  it("needs nothing of the registry: tokens of the old key and of the new one are accepted", async () => {
    const data = join(folder, "rotating");
    const old = openTokenKeys(data, ensureKeyFile, Date.now());
    const certificates = await readFile(join(data, "registry-token.crt"), "utf8");
    const other = await startTokenRegistry({
      certificates,
      realm: "http://127.0.0.1:9/",
      issuer: ISSUER,
      service: SERVICE,
    });
    try {
      const accepted = async (from: TokenKeys, format: KidFormat) => {
        const { token } = await tokenService(format, from).issue([]);
        return (await fetch(`${other.url}/v2/`, { headers: { Authorization: `Bearer ${token}` } })).ok;
      };
      const rotate = async () => {
        await rename(join(data, "registry-token.next.key"), join(data, "registry-token.key"));
        return openTokenKeys(data, ensureKeyFile, Date.now());
      };
      const rotated = await rotate();
      for (const format of ["libtrust", "x5c"] as const) {
        expect([await accepted(old, format), await accepted(rotated, format)]).toEqual([true, true]);
      }
      // A second time, with the registry still at the first certificates: that is too early.
      expect(await accepted(await rotate(), "libtrust")).toBe(false);
    } finally {
      await other.stop();
    }
  });
});

/** What the registry told of a build's pushes; waits for the first. */
async function told(buildId: string): Promise<readonly PushEvent[]> {
  const deadline = Date.now() + 10_000;
  const found = () => pushes.filter((event) => event.buildId === buildId);
  while (found().length === 0 && Date.now() < deadline) await sleep(20);
  return found();
}

describe("the registry's notifications", () => {
  it("name the build that pushed, and where to", async () => {
    lease("b7", "staging/b7");
    expect(await push("staging/b7", "build-b7:secret-of-b7")).toMatchObject({ code: 0 });
    expect(await told("b7")).toEqual([
      {
        id: expect.any(String),
        repository: "staging/b7",
        digest: image.digest,
        tag: "build",
        buildId: "b7",
        actor: "build-b7",
      },
    ]);
  });
});

describe("the configuration in docs/operations.md", () => {
  it("is one the registry starts with, takes tokens by, and sends its notifications by", async () => {
    const text = await readFile(join(packageRoot, "docs/operations.md"), "utf8");
    const block = /```yaml\n(storage:.*?)```/s.exec(text)?.[1] ?? "";
    const filled = block
      .replaceAll("https://wharfinger.example.com", site.url)
      .replace("/etc/docker/registry/registry-token.crt", join(folder, "data/registry-token.crt"))
      .replace("Bearer REGISTRY_EVENTS_SECRET", `Bearer ${EVENTS_SECRET}`);
    const { storage, auth, notifications } = parse(filled) as Record<string, object>;
    expect(storage).toEqual({ delete: { enabled: true } });
    const other = await startRegistry({ config: { auth, notifications } });
    try {
      lease("b9", "staging/b9");
      expect(await push("staging/b9", "build-b9:secret-of-b9", other)).toMatchObject({ code: 0 });
      expect(await push("acme/api", "build-b9:secret-of-b9", other)).toMatchObject({ code: 1 });
      expect(await told("b9")).toMatchObject([{ repository: "staging/b9", digest: image.digest }]);
    } finally {
      await other.stop();
    }
  });
});
