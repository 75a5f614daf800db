import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { ok } from "../../src/core/model.ts";
import type { FurtherAccess } from "../../src/engine/further-repositories.ts";
import { createRequestVerifier } from "../../src/engine/signing.ts";
import { packageRoot } from "../../src/version.ts";
import { builderApiDocument } from "../../src/web/builder-openapi.ts";
import { CredentialsAnswer } from "../../src/web/builder-schema.ts";
import { OPERATOR } from "../contract/store.by.ts";
import { BUILDER_TOKEN, type BuilderWorld, CLONE, type Claimed, openBuilderWorld } from "./builder-world.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const BUILT = { result: "built", digest: DIGEST };
const LEASED = ["heartbeat", "credentials", "log", "outcome"];

let world: BuilderWorld;
beforeEach(async () => {
  world = await openBuilderWorld();
});
afterEach(() => world.close());

/** Status and error code. */
async function refusal(asked: Promise<Response>): Promise<[number, string]> {
  const answer = await asked;
  return [answer.status, ((await answer.json()) as { error: { code: string } }).error.code];
}

const LOST: [number, string] = [409, "lease-lost"];

describe("claim", () => {
  it("hands out the signed request and a lease", async () => {
    const id = await world.queue();
    const claimed = await world.claim();
    expect(claimed).toMatchObject({ build: id, attempt: 1, lease: { seconds: 15, heartbeatSeconds: 5 } });
    const { document, digest, signature } = claimed.request as unknown as {
      document: string;
      digest: string;
      signature: { keyId: string; value: string };
    };
    const read = createRequestVerifier([world.publicKey]);
    const request = read({ document, digest, keyId: signature.keyId, signature: signature.value });
    expect(request).toMatchObject({ id, image: { staging: { repository: `staging/${id}`, tag: "build" } } });
    expect(await world.store.getBuild(id)).toMatchObject({ state: "running" });
  });

  it("answers 204 when nothing waits, and each build once", async () => {
    expect((await world.post("claim", BUILDER_TOKEN)).status).toBe(204);
    await world.queue();
    const all = await Promise.all([1, 2, 3].map(() => world.post("claim", BUILDER_TOKEN)));
    expect(all.map((one) => one.status).sort()).toEqual([200, 204, 204]);
  });

  it("gives the build that was offered, or none", async () => {
    await world.queue();
    const offered = await world.queue();
    expect((await world.claim({ build: offered })).build).toBe(offered);
    expect((await world.post("claim", BUILDER_TOKEN, { build: offered })).status).toBe(204);
    expect((await world.post("claim", BUILDER_TOKEN, { build: "nobody-knows-it" })).status).toBe(204);
  });

  it("waits for a build, as long as it was asked to", async () => {
    const waiting = world.claim({ wait: 25 });
    const id = await world.queue();
    world.desk.wake();
    expect((await waiting).build).toBe(id);
    const inVain = world.post("claim", BUILDER_TOKEN, { wait: 3 });
    await new Promise((resolve) => setImmediate(resolve));
    world.clock.advance(60_000);
    // The lease of the first has ended by then, so there is something after all.
    expect((await inVain).status).toBe(200);
    const ended = world.post("claim", BUILDER_TOKEN, { wait: 25 });
    await new Promise((resolve) => setImmediate(resolve));
    await world.desk.stop();
    expect((await ended).status).toBe(204);
  });

  it("hands out nothing to who hung up", async () => {
    const id = await world.queue();
    const gone = AbortSignal.abort();
    expect(await world.desk.claim({ build: null, waitMs: 0, signal: gone })).toBeNull();
    expect(await world.store.getBuild(id)).toMatchObject({ state: "queued", attempt: 0 });
    const going = new AbortController();
    const claimBuild = world.store.claimBuild;
    world.store.claimBuild = (options) => {
      going.abort();
      return claimBuild(options);
    };
    expect(await world.desk.claim({ build: null, waitMs: 0, signal: going.signal })).toBeNull();
    expect(await world.store.getBuild(id)).toMatchObject({ state: "queued", attempt: 1 });
  });

  it.each<[string, string | null]>([
    ["no token", null],
    ["a wrong one", "wrong"],
    ["one that is longer", `${BUILDER_TOKEN}x`],
  ])("refuses %s, before the body is read", async (_, token) => {
    await world.queue();
    expect(await refusal(world.post("claim", token, "{ not json"))).toEqual([401, "unauthorized"]);
    expect((await world.post("claim", BUILDER_TOKEN)).status).toBe(200);
  });

  it("refuses a lease's token", async () => {
    await world.queue();
    const { lease } = await world.claim();
    expect(await refusal(world.post("claim", lease.token))).toEqual([401, "unauthorized"]);
  });

  it.each<[string, unknown, number]>([
    ["broken JSON", null, 400],
    ["another type", "wait=3", 415],
    ["a list", [], 400],
    ["an unknown field", { builds: 3 }, 400],
    ["a wait without end", { wait: 1e9 }, 400],
    ["an id with a path in it", { build: "../../etc/passwd" }, 400],
    ["an id that is no text", { build: { $ne: "" } }, 400],
    ["a body that is too large", { build: "x".repeat(100_000) }, 413],
  ])("refuses %s", async (_, body, status) => {
    await world.queue();
    const answer =
      body === null
        ? fetch(`${world.url}/builder/v1/claim`, {
            method: "POST",
            headers: { authorization: `Bearer ${BUILDER_TOKEN}`, "content-type": "application/json" },
            body: '{"wait":',
          })
        : world.post("claim", BUILDER_TOKEN, body);
    expect((await refusal(answer))[0]).toBe(status);
    expect((await world.post("claim", BUILDER_TOKEN)).status).toBe(200);
  });
});

describe("a lease", () => {
  let claimed: Claimed;
  let token: string;
  beforeEach(async () => {
    await world.queue();
    claimed = await world.claim();
    token = claimed.lease.token;
  });

  const steps = [
    { name: "checkout", startedAt: "2026-11-20T10:00:00.000Z", finishedAt: "2026-11-20T10:00:01.000Z" },
    { name: "build", startedAt: "2026-11-20T10:00:01.000Z", finishedAt: null },
  ];

  it("lives as long as its heart beats, and tells what is done", async () => {
    for (let beat = 0; beat < 3; beat += 1) {
      world.clock.advance(10_000);
      const answer = await world.post("heartbeat", token, { steps });
      expect([answer.status, await answer.json()]).toEqual([200, { state: "held" }]);
    }
    expect((await world.store.getBuild(claimed.build))?.steps).toEqual(steps);
  });

  it("is worth nothing once it ended, although nobody else has the build", async () => {
    world.clock.advance(15_000);
    for (const path of LEASED)
      expect(await refusal(world.post(path, token, path === "log" ? "x" : BUILT))).toEqual(LOST);
    expect(await world.store.getBuild(claimed.build)).toMatchObject({ state: "running", digest: null });
  });

  it("of an earlier attempt is worth nothing, and does not disturb the next", async () => {
    world.clock.advance(15_000);
    const next = await world.claim();
    expect(next).toMatchObject({ build: claimed.build, attempt: 2 });
    await world.post("log", next.lease.token, "from the second\n");
    for (const path of LEASED)
      expect(await refusal(world.post(path, token, path === "log" ? "x" : BUILT))).toEqual(LOST);
    expect((await world.post("outcome", next.lease.token, BUILT)).status).toBe(200);
    expect(await world.logOf(claimed.build)).toBe("from the second\n");
  });

  it("is not that of another build, whatever the token's parts say", async () => {
    await world.queue();
    const other = await world.claim();
    const [id = "", attempt = "", secret = ""] = Buffer.from(token, "base64url").toString().split(" ");
    const forge = (...parts: string[]) => Buffer.from(parts.join(" ")).toString("base64url");
    const forged = [
      forge(other.build, attempt, secret),
      forge(id, "2", secret),
      forge(id, attempt, "x".repeat(43)),
      forge(id, attempt, `${secret} `),
      forge("../x", attempt, secret),
      BUILDER_TOKEN,
      "%00",
      "x".repeat(1_000),
    ];
    for (const one of forged) {
      for (const path of LEASED) {
        expect(await refusal(world.post(path, one, path === "log" ? "x" : BUILT))).toEqual(LOST);
      }
    }
    for (const path of LEASED) expect((await refusal(world.post(path, null)))[0]).toBe(401);
    expect(await world.logOf(other.build)).toBe("");
  });

  it("says when the build is canceled, and then ends", async () => {
    await world.store.cancelBuild(claimed.build, OPERATOR);
    expect(await (await world.post("heartbeat", token)).json()).toEqual({ state: "cancel" });
    expect((await world.post("outcome", token, { result: "stopped" })).status).toBe(200);
    expect(await world.store.getBuild(claimed.build)).toMatchObject({ state: "canceled" });
  });

  it("ends although the builder does not heed that it is canceled", async () => {
    await world.store.cancelBuild(claimed.build, OPERATOR);
    let answer = await world.post("heartbeat", token);
    for (let beat = 0; beat < 4 && answer.status === 200; beat += 1) {
      world.clock.advance(9_000);
      answer = await world.post("heartbeat", token);
    }
    expect(answer.status).toBe(409);
    expect(await world.store.getBuild(claimed.build)).toMatchObject({ state: "canceled" });
  });

  it("ends when the build takes much longer than it may", async () => {
    let answer = await world.post("heartbeat", token);
    for (let beat = 0; beat < 70 && answer.status === 200; beat += 1) {
      world.clock.advance(10_000);
      answer = await world.post("heartbeat", token);
    }
    expect(answer.status).toBe(409);
    expect(await world.store.getBuild(claimed.build)).toMatchObject({ state: "timed_out" });
  });

  it("goes back to the queue when the builder stops", async () => {
    expect((await world.post("outcome", token, { result: "stopped" })).status).toBe(200);
    expect(await world.claim()).toMatchObject({ build: claimed.build, attempt: 2 });
  });

  it("is exchanged for the clone token and a registry credential of this build only", async () => {
    const answer = (await (await world.post("credentials", token)).json()) as {
      clone: object;
      registry: { username: string; password: string };
    };
    expect(answer.clone).toEqual(CLONE);
    expect(answer.registry.username).toBe(`build-${claimed.build}`);
    expect(await world.store.leaseHolder(claimed.build, answer.registry.password)).not.toBeNull();
  });

  it("is exchanged for what opens its further repositories, each at its address", async () => {
    const cloneUrl = "https://example.com/acme/shared.git";
    const further: FurtherAccess = async () => ok([{ id: "2", fullName: "acme/shared", cloneUrl }]);
    const other = await openBuilderWorld({ further });
    try {
      const id = await other.queue();
      const { lease } = await other.claim({ build: id });
      const answer: unknown = await (await other.post("credentials", lease.token)).json();
      expect(answer).toMatchObject({ clone: CLONE, furtherRepositories: [{ cloneUrl, credential: CLONE }] });
      expect(CredentialsAnswer.safeParse(answer).success).toBe(true);
    } finally {
      await other.close();
    }
  });

  it("of an untrusted build is exchanged for nothing that opens the registry", async () => {
    const pull = { number: 5, target: "main", fork: true };
    const base = { cloneUrl: "https://example.com/acme/api.git", ref: "refs/pull/5/head", anonymous: false };
    for (const [checkout, clone] of [
      [base, CLONE],
      [{ ...base, cloneUrl: "https://example.com/stranger/api.git", anonymous: true }, null],
    ] as const) {
      const id = await world.queue({ kind: "pull_request", pull, checkout, trust: "untrusted", push: false });
      const { lease, request } = await world.claim({ build: id });
      const { source } = JSON.parse(request.document) as { source: { cloneUrl: string } };
      expect(source.cloneUrl).toBe(checkout.cloneUrl);
      const answer: unknown = await (await world.post("credentials", lease.token)).json();
      expect(answer).toEqual({ clone, registry: null, variables: {}, secrets: {} });
      expect(CredentialsAnswer.safeParse(answer).success).toBe(true);
    }
  });

  it("of an untrusted build ends without an image, whatever the builder says it pushed", async () => {
    const pull = { number: 5, target: "main", fork: true };
    const id = await world.queue({ kind: "pull_request", pull, trust: "untrusted", push: false });
    const { lease } = await world.claim({ build: id });
    const answer = await world.post("outcome", lease.token, BUILT);
    expect(await answer.json()).toEqual({ recorded: true });
    expect(await world.store.getBuild(id)).toMatchObject({ state: "succeeded", digest: null, failure: null });
  });

  it("appends to the log: cleaned, masked, whole lines", async () => {
    await world.post("credentials", token);
    const secret = Buffer.from(token, "base64url").toString().split(" ")[2] ?? "";
    const basic = Buffer.from(`${CLONE.username}:${CLONE.password}`).toString("base64");
    await world.post(
      "log",
      token,
      `one \u001b]0;title\u0007\u001b[31mred\u001b[0m\u0000\nAuthorization: Basic ${basic}\n`,
    );
    await world.post("log", token, `${CLONE.password.slice(0, 10)}`);
    await world.post("log", token, `${CLONE.password.slice(10)} ${secret} ${token}\nlast`);
    await world.post("outcome", token, BUILT);
    const log = await world.logOf(claimed.build);
    expect(log).toBe("one \u001b[31mred\u001b[0m\nAuthorization: Basic ***\n*** *** ***\nlast\n");
  });

  it("keeps the log within its limit, and refuses pieces that are too large", async () => {
    for (let piece = 0; piece < 50; piece += 1) {
      expect((await world.post("log", token, `${"x".repeat(99)}\n`)).status).toBe(204);
    }
    expect((await refusal(world.post("log", token, "x".repeat(1024 ** 2 + 1))))[0]).toBe(413);
    await world.post("outcome", token, BUILT);
    const log = await world.logOf(claimed.build);
    expect(log).toContain("the log reached its limit of 2000 bytes");
    expect(log.length).toBeLessThan(2_100);
  });

  it("takes no log of another type, and none after the outcome", async () => {
    expect(await refusal(world.post("log", token, { text: "x" }))).toEqual([415, "not-text"]);
    await world.post("outcome", token, BUILT);
    expect(await refusal(world.post("log", token, "late\n"))).toEqual(LOST);
    expect(await world.logOf(claimed.build)).toBe("");
  });

  it("stages what was built, and takes the same outcome again without doing anything", async () => {
    const first = await world.post("outcome", token, { ...BUILT, steps });
    expect([first.status, await first.json()]).toEqual([200, { recorded: true }]);
    const promotion = await world.store.claimPromotion({ worker: "w", leaseMs: 1_000 });
    expect(promotion).toMatchObject({ digest: DIGEST, build: { id: claimed.build, steps } });
    const other = { result: "failed", class: "build", message: "It did not." };
    for (const again of [BUILT, other]) {
      const answer = await world.post("outcome", token, again);
      expect([answer.status, await answer.json()]).toEqual([200, { recorded: false }]);
    }
    for (const path of ["heartbeat", "credentials"]) expect(await refusal(world.post(path, token))).toEqual(LOST);
    expect((await world.store.getBuild(claimed.build))?.failure).toBeNull();
  });

  it("takes the outcome again when it could not be recorded the first time", async () => {
    const stage = world.store.stageBuild;
    world.store.stageBuild = () => Promise.reject(new Error("the database is away"));
    await world.post("log", token, "before\n");
    expect(await refusal(world.post("outcome", token, BUILT))).toEqual([500, "internal"]);
    world.store.stageBuild = stage;
    const answer = await world.post("outcome", token, BUILT);
    expect([answer.status, await answer.json()]).toEqual([200, { recorded: true }]);
    expect(await world.logOf(claimed.build)).toBe("before\n");
  });

  it("records one of several outcomes at a time", async () => {
    const answers = await Promise.all([1, 2, 3].map(() => world.post("outcome", token, BUILT)));
    const told = await Promise.all(answers.map((one) => one.json() as Promise<{ recorded?: boolean }>));
    expect(told.filter((one) => one.recorded === true)).toHaveLength(1);
  });

  it("keeps the steps of the last heartbeat when the outcome has none", async () => {
    await world.post("heartbeat", token, { steps });
    await world.post("outcome", token, { result: "failed", class: "build", message: "No." });
    expect(await world.store.getBuild(claimed.build)).toMatchObject({ state: "failed", steps });
  });

  it("fails the build with the builder's words, cleaned", async () => {
    await world.post("credentials", token);
    const message = `RUN \u001b[31mmake\u001b[0m\nfailed with ${CLONE.password}`;
    await world.post("outcome", token, { result: "failed", class: "build", message, line: 3 });
    expect(await world.failureOf(claimed.build)).toEqual({
      class: "build",
      message: "RUN make failed with ***",
      line: 3,
    });
  });

  it("tries again what may be retried, later", async () => {
    const away = { result: "failed", class: "push", message: "The registry is away.", retryable: true };
    await world.post("outcome", token, away);
    expect((await world.post("claim", BUILDER_TOKEN)).status).toBe(204);
    expect(await world.logOf(claimed.build)).toContain("The registry is away. Trying again in 5 s.");
    world.clock.advance(5_000);
    expect(await world.claim()).toMatchObject({ build: claimed.build, attempt: 2 });
  });

  it("fails a build whose image was pushed without a digest", async () => {
    await world.post("outcome", token, { result: "built", digest: null });
    expect(await world.failureOf(claimed.build)).toMatchObject({ class: "internal" });
  });

  it.each<[string, unknown]>([
    ["no result", {}],
    ["an unknown one", { result: "published" }],
    ["a digest that is none", { result: "built", digest: "latest" }],
    ["no digest at all", { result: "built" }],
    ["an unknown class", { result: "failed", class: "cosmic-rays", message: "x" }],
    ["tags", { ...BUILT, tags: ["latest"] }],
    ["a message without end", { result: "failed", class: "build", message: "x".repeat(5_000) }],
    ["steps without end", { ...BUILT, steps: Array.from({ length: 100 }, () => steps[0]) }],
    ["a step at no time", { ...BUILT, steps: [{ name: "build", startedAt: "now", finishedAt: null }] }],
    ["a step of another name", { ...BUILT, steps: [{ ...steps[0], name: "<b>" }] }],
  ])("takes no outcome with %s, and is kept", async (_, body) => {
    expect(await refusal(world.post("outcome", token, body))).toEqual([400, "bad-request"]);
    expect((await world.post("heartbeat", token)).status).toBe(200);
  });
});

it("never gives out the instance's own registry credentials", async () => {
  const own = { username: "wharfinger", password: "opens-every-image" };
  const other = await openBuilderWorld({ signIn: { kind: "credential", ...own } });
  try {
    await other.queue();
    const { lease } = await other.claim();
    const answer = await other.post("credentials", lease.token);
    const text = await answer.text();
    expect([answer.status, text]).toEqual([403, expect.stringContaining("Let it trust Wharfinger's tokens")]);
    expect(text).not.toContain(own.password);
  } finally {
    await other.close();
  }
});

it("says when the Git host may give a credential later", async () => {
  const away = { ok: false, retryable: true, retryAfter: 30, message: "GitHub is away." } as const;
  const other = await openBuilderWorld({ host: { cloneCredential: async () => away } });
  try {
    await other.queue();
    const { lease } = await other.claim();
    const answer = await other.post("credentials", lease.token);
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "30"]);
  } finally {
    await other.close();
  }
});

it("builds and tests without pushing when the request says so", async () => {
  const id = await world.queue({ push: false });
  const { lease } = await world.claim();
  await world.post("outcome", lease.token, { result: "built", digest: null });
  expect(await world.store.getBuild(id)).toMatchObject({ state: "succeeded", digest: null });
});

it("answers other methods and paths as the rest of the server does", async () => {
  for (const path of ["claim", ...LEASED]) {
    const answer = await fetch(`${world.url}/builder/v1/${path}`);
    expect([answer.status, answer.headers.get("allow")]).toEqual([405, "POST"]);
  }
  for (const path of ["", "v1/Claim", "v1/claim/../../api", "v2/claim"]) {
    const answer = await fetch(`${world.url}/builder/${path}`, { method: "POST" });
    expect([path, answer.status]).toEqual([path, 404]);
  }
});

it("docs/builder-api.json is fresh (npm run test:update rewrites it, npm run format lays it out)", () => {
  const file = join(packageRoot, "docs/builder-api.json");
  const made: unknown = JSON.parse(JSON.stringify(builderApiDocument()));
  const read = (): unknown => JSON.parse(readFileSync(file, "utf8"));
  if (process.env["UPDATE_GOLDEN"] && !isDeepStrictEqual(read(), made))
    writeFileSync(file, JSON.stringify(made, null, 2));
  expect(read()).toEqual(made);
});
