import { createHmac } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { BUILD_ORDER } from "../../src/core/build-order.ts";
import { FOUND } from "../../src/core/found.ts";
import type { Answer, IncomingDelivery } from "../../src/engine/ports.ts";
import { createGithubEntrance, type GithubEntranceOptions } from "../../src/github/entrance.ts";

const SECRET = "current-secret-of-at-least-32-characters";
const PREVIOUS = "previous-secret-of-at-least-32-characters";
const DELIVERY = "72d3162e-cc78-11e3-81ab-4c9367dc0958";

function sign(body: Buffer | string, secret = SECRET): string {
  return `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
}

type Headers = Record<string, string | string[] | undefined>;

function headersFor(body: Buffer | string, changes: Headers = {}): Headers {
  return {
    "content-type": "application/json",
    "x-github-event": "push",
    "x-github-delivery": DELIVERY,
    "x-hub-signature-256": sign(body),
    ...changes,
  };
}

function entrance(changes: Partial<GithubEntranceOptions> = {}) {
  return createGithubEntrance({
    path: "/webhooks/github",
    host: "default",
    secrets: [SECRET, PREVIOUS],
    clock: { now: () => Date.parse("2026-11-20T10:00:00Z") },
    ...changes,
  });
}

/** Sends a body in chunks of `chunk` bytes. */
function send(
  body: Buffer | string,
  options: {
    headers?: Headers;
    method?: string;
    path?: string;
    chunk?: number;
    entrance?: ReturnType<typeof entrance>;
  } = {},
): IncomingDelivery | { answer: Answer } | null {
  const bytes = Buffer.from(body);
  const opening = (options.entrance ?? entrance()).open({
    method: options.method ?? "POST",
    path: options.path ?? "/webhooks/github",
    url: options.path ?? "/webhooks/github",
    headers: headersFor(bytes, options.headers),
  });
  if (opening === null || "answer" in opening) return opening;
  const size = options.chunk ?? Math.max(bytes.length, 1);
  for (let at = 0; at < bytes.length; at += size) opening.update(bytes.subarray(at, at + size));
  return opening.close(bytes);
}

function statusOf(result: ReturnType<typeof send>): number | "accepted" | "not here" {
  if (result === null) return "not here";
  return "answer" in result ? result.answer.status : "accepted";
}

const push = JSON.stringify({
  ref: "refs/heads/main",
  repository: { id: 186853002, full_name: "Codertocat/Hello-World" },
  installation: { id: 7 },
});

describe("the GitHub entrance", () => {
  it("takes a signed delivery and reads out what the journal needs", () => {
    expect(send(push)).toEqual({
      provider: "github",
      host: "default",
      deliveryId: DELIVERY,
      event: "push",
      action: null,
      stream: "repo:186853002",
      repositoryId: "186853002",
      repositoryName: "Codertocat/Hello-World",
      installationId: "7",
      receivedAt: Date.UTC(2026, 10, 20, 10),
      body: Buffer.from(push),
    });
  });

  it.each([1, 3, 64, 1_000])("judges the same bytes when they arrive in chunks of %i", (chunk) => {
    expect(statusOf(send(push, { chunk }))).toBe("accepted");
  });

  it("takes what was signed with the previous secret", () => {
    expect(statusOf(send(push, { headers: { "x-hub-signature-256": sign(push, PREVIOUS) } }))).toBe("accepted");
    const rotated = entrance({ secrets: [SECRET] });
    const headers = { "x-hub-signature-256": sign(push, PREVIOUS) };
    expect(statusOf(send(push, { headers, entrance: rotated }))).toBe(401);
  });

  it("answers only on its own path", () => {
    for (const path of ["/webhooks/github/", "/webhooks/github/ghes1", "/webhooks", "/", "/WEBHOOKS/GITHUB"]) {
      expect(statusOf(send(push, { path }))).toBe("not here");
    }
  });

  it.each([
    ["missing", undefined],
    ["empty", ""],
    ["of another secret", sign(push, "somebody else's secret, 32 characters")],
    ["of another body", sign(`${push} `)],
    ["SHA-1", `sha1=${createHmac("sha1", SECRET).update(push).digest("hex")}`],
    ["without its prefix", sign(push).slice("sha256=".length)],
    ["cut short", sign(push).slice(0, -2)],
    ["too long", `${sign(push)}00`],
    ["in upper case", sign(push).toUpperCase()],
    ["all zeros", `sha256=${"0".repeat(64)}`],
    ["not hexadecimal", `sha256=${"z".repeat(64)}`],
    ["sent twice", [sign(push), sign(push)]],
    ["followed by another", `${sign(push)}, ${sign(push)}`],
  ])("refuses a signature that is %s", (_, signature) => {
    expect(statusOf(send(push, { headers: { "x-hub-signature-256": signature } }))).toBe(401);
  });

  it("does not let the older header stand in for the signature", () => {
    const sha1 = `sha1=${createHmac("sha1", SECRET).update(push).digest("hex")}`;
    expect(statusOf(send(push, { headers: { "x-hub-signature-256": undefined, "x-hub-signature": sha1 } }))).toBe(401);
  });

  it.each(["not json", "[1]", "null", '"text"', "1", ""])("judges the signature of %p before the body", (body) => {
    expect(statusOf(send(body, { headers: { "x-hub-signature-256": sign("other") } }))).toBe(401);
  });

  it.each([
    ["nothing", ""],
    ["not JSON", "{"],
    ["an array", "[]"],
    ["null", "null"],
    ["a string", '"push"'],
    ["a number", "1"],
    ["a form", "payload=%7B%7D"],
    ["two objects", "{}{}"],
    ["a byte order mark", "\ufeff{}"],
    ["bytes that are not UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ["an overlong encoding", Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d])],
  ])("answers 400 to a signed body that is %s", (_, body) => {
    expect(statusOf(send(body))).toBe(400);
  });

  it("never quotes the body in an answer", () => {
    const result = send('{"secret-in-body": oops');
    expect(JSON.stringify(result)).not.toContain("secret-in-body");
    expect(result).toStrictEqual({
      answer: { status: 400, body: { error: expect.objectContaining({ code: "bad-request" }) } },
    });
  });

  it.each(["GET", "PUT", "DELETE", "OPTIONS", "post"])("answers 405 to %s", (method) => {
    expect(send(push, { method })).toMatchObject({ answer: { status: 405, headers: { allow: "POST" } } });
  });

  it.each([
    ["application/x-www-form-urlencoded", 415],
    ["text/json", 415],
    ["application/jsonp", 415],
    ["x-application/json", 415],
    ["application/json charset=utf-8", 415],
    ["", 415],
    [undefined, 415],
    ["application/json", "accepted"],
    ["application/json; charset=utf-8", "accepted"],
    ["application/json \t; charset=utf-8", "accepted"],
    ["Application/JSON;charset=utf-8", "accepted"],
  ])("answers content type %p with %p", (type, status) => {
    expect(statusOf(send(push, { headers: { "content-type": type } }))).toBe(status);
  });

  it("takes no order of a build, which only this program journals", () => {
    for (const ours of [BUILD_ORDER, FOUND]) {
      expect(statusOf(send(push, { headers: { "x-github-event": ours } }))).toBe(400);
    }
  });

  it.each([undefined, "", "push ", "Push", "push.created", "a".repeat(65), "pu\nsh", ["push", "push"]])(
    "answers 400 to the event name %p",
    (name) => {
      expect(statusOf(send(push, { headers: { "x-github-event": name } }))).toBe(400);
    },
  );

  it.each([undefined, "", "a\tb", "a".repeat(201), "ä", "a\u0000", ["a", "b"]])(
    "answers 400 to the delivery id %p",
    (id) => {
      expect(statusOf(send(push, { headers: { "x-github-delivery": id } }))).toBe(400);
    },
  );

  it("takes any printable delivery id of up to 200 characters", () => {
    const id = "!~".repeat(100);
    expect(send(push, { headers: { "x-github-delivery": id } })).toMatchObject({ deliveryId: id });
  });

  it.each([
    [{ installation: { id: 7 } }, "installation:7"],
    [{ repository: { id: 5 } }, "repo:5"],
    [{ zen: "Keep it logically awesome." }, "app"],
    [{ repository: { id: "5" }, installation: { id: -1 } }, "app"],
    [{ repository: { id: 2 ** 53 } }, "app"],
    [{ repository: { id: 1.5 } }, "app"],
    [{ repository: [], installation: null }, "app"],
  ])("puts %j into the stream %s", (payload, stream) => {
    expect(send(JSON.stringify(payload))).toMatchObject({ stream });
  });

  it("leaves out names and actions that are not short texts", () => {
    const payload = { action: "x".repeat(65), repository: { id: 1, full_name: { toString: "x" } } };
    expect(send(JSON.stringify(payload))).toMatchObject({ action: null, repositoryName: null });
    expect(send('{"action":"created"}')).toMatchObject({ action: "created" });
  });

  it("keeps names and actions of the greatest length, and none that is longer", () => {
    const payload = (action: number, name: number) =>
      JSON.stringify({ action: "a".repeat(action), repository: { id: 1, full_name: "n".repeat(name) } });
    expect(send(payload(64, 255))).toMatchObject({ action: "a".repeat(64), repositoryName: "n".repeat(255) });
    expect(send(payload(65, 256))).toMatchObject({ action: null, repositoryName: null });
  });

  it.each(["a\u0000b", "a\nb", "half a \ud83d", ""])("leaves out the name %j, which is nobody's", (name) => {
    const payload = { action: name, repository: { id: 1, full_name: name } };
    expect(send(JSON.stringify(payload))).toMatchObject({ action: null, repositoryName: null });
  });

  it("survives a signed body of a million brackets", () => {
    expect(statusOf(send("[".repeat(1_000_000)))).toBe(400);
    const deep = `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    expect(statusOf(send(deep))).toBe("accepted");
  });

  it("keeps another App's deliveries out when it knows its own id", () => {
    const own = entrance({ appId: 42 });
    const target = (type: string, id: string) => ({
      "x-github-hook-installation-target-type": type,
      "x-github-hook-installation-target-id": id,
    });
    expect(statusOf(send(push, { entrance: own, headers: target("integration", "42") }))).toBe("accepted");
    expect(statusOf(send(push, { entrance: own, headers: target("integration", "43") }))).toBe(400);
    expect(statusOf(send(push, { entrance: own, headers: target("integration", "042") }))).toBe(400);
    expect(statusOf(send(push, { entrance: own, headers: target("repository", "43") }))).toBe("accepted");
    expect(statusOf(send(push, { entrance: own }))).toBe("accepted");
    expect(statusOf(send(push, { headers: target("integration", "43") }))).toBe("accepted");
    const unsigned = { ...target("integration", "43"), "x-hub-signature-256": "sha256=00" };
    expect(statusOf(send(push, { entrance: own, headers: unsigned }))).toBe(401);
  });

  it("answers the echoes of its own checks without journalling them, and nothing else that looks alike", () => {
    const own = entrance({ appId: 42 });
    const headers = { "x-github-event": "check_run" };
    const payload = (action: string, app: unknown) => JSON.stringify({ action, check_run: { app } });
    for (const action of ["created", "completed"]) {
      expect(send(payload(action, { id: 42 }), { entrance: own, headers })).toEqual({
        answer: { status: 200, body: { known: true } },
      });
    }
    expect(statusOf(send(payload("rerequested", { id: 42 }), { entrance: own, headers }))).toBe("accepted");
    expect(statusOf(send(payload("created", { id: 43 }), { entrance: own, headers }))).toBe("accepted");
    expect(statusOf(send(payload("created", { id: "42" }), { entrance: own, headers }))).toBe("accepted");
    expect(statusOf(send(payload("created", null), { entrance: own, headers }))).toBe("accepted");
    expect(statusOf(send(payload("created", { id: 42 }), { entrance: own }))).toBe("accepted");
    expect(statusOf(send(payload("created", { id: 42 }), { entrance: entrance(), headers }))).toBe("accepted");
    expect(statusOf(send(payload("created", {}), { entrance: entrance(), headers }))).toBe("accepted");
    expect(statusOf(send('{"action":"created"}', { entrance: own, headers }))).toBe("accepted");
    const forged = { ...headers, "x-hub-signature-256": `sha256=${"0".repeat(64)}` };
    expect(statusOf(send(payload("created", { id: 42 }), { entrance: own, headers: forged }))).toBe(401);
  });

  it.each<[string, Headers, string, RegExp]>([
    ["content type", { "content-type": "text/plain" }, "unsupported-media-type", /application\/json/],
    ["event", { "x-github-event": "" }, "bad-request", /^X-GitHub-Event /],
    ["delivery id", { "x-github-delivery": "" }, "bad-request", /^X-GitHub-Delivery /],
    ["signature", { "x-hub-signature-256": "" }, "bad-signature", /^X-Hub-Signature-256 /],
  ])("says which header is wrong: the %s", (_, headers, code, message) => {
    const error = { code, message: expect.stringMatching(message) };
    expect(send(push, { headers })).toMatchObject({ answer: { body: { error } } });
  });

  it("says what else is wrong", () => {
    const own = entrance({ appId: 42 });
    const headers = {
      "x-github-hook-installation-target-type": "integration",
      "x-github-hook-installation-target-id": "43",
    };
    const says = (code: string, text: string) => ({
      answer: { body: { error: { code, message: expect.stringContaining(text) } } },
    });
    expect(send(push, { entrance: own, headers })).toMatchObject(says("bad-request", "another GitHub App"));
    expect(send("[]")).toMatchObject(says("bad-request", "not a JSON object"));
    expect(send(push, { method: "GET" })).toMatchObject(says("method-not-allowed", "POST"));
  });

  it("allows GitHub's largest bodies and no more", () => {
    const opening = entrance().open({
      method: "POST",
      path: "/webhooks/github",
      url: "/webhooks/github",
      headers: headersFor(push),
    });
    expect(opening).toMatchObject({ maxBytes: 27_262_976 });
  });

  it("can not be made without a secret", () => {
    expect(() => entrance({ secrets: [] })).toThrow("needs a webhook secret");
    expect(() => entrance({ secrets: ["", SECRET] })).toThrow("must not be empty");
  });
});
