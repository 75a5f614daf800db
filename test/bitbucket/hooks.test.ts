import { createHmac } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { createSignedWebhookEntrance } from "../../src/bitbucket/hooks.ts";
import { BUILD_ORDER } from "../../src/core/build-order.ts";
import { FOUND } from "../../src/core/found.ts";
import { createInbox } from "../../src/engine/inbox.ts";
import type { IncomingDelivery } from "../../src/engine/ports.ts";
import { createIntake } from "../../src/intake/receive.ts";
import { OPERATOR } from "../contract/store.by.ts";
import {
  type Headers,
  headersFor,
  OTHER_REPOSITORY,
  OTHER_WORKSPACE,
  PREVIOUS,
  pass,
  push,
  pushOf,
  REPOSITORY,
  REQUEST,
  SECRET,
  START,
  sign,
  statusOf,
  WORKSPACE,
  world,
} from "./hooks-world.ts";

describe("the door for signed webhooks", () => {
  it("takes a signed delivery and reads out what the journal needs", async () => {
    const { send } = await world();
    expect(await send(push)).toEqual({
      provider: "bitbucket",
      host: "default",
      deliveryId: REQUEST,
      event: "repo:push",
      action: null,
      stream: `repo:${WORKSPACE}/${REPOSITORY}`,
      repositoryId: REPOSITORY,
      repositoryName: "harbour/crane",
      installationId: WORKSPACE,
      receivedAt: START,
      body: Buffer.from(push),
    });
  });

  it("names the connection's workspace, and its stream, where the payload names none", async () => {
    const { send } = await world();
    expect(await send("{}")).toMatchObject({
      stream: `installation:${WORKSPACE}`,
      repositoryId: null,
      repositoryName: null,
      installationId: WORKSPACE,
    });
  });

  it.each([
    ["Hello World!", "It's a Secret to Everybody", "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"],
    // Made with: printf '{"repository":{"full_name":"harbour/crane"},"note":"\xc3\xa4"}' | openssl dgst -sha256 -hmac 'Gkvl$k$wyNpQAF42'
    [
      '{"repository":{"full_name":"harbour/crane"},"note":"ä"}',
      "Gkvl$k$wyNpQAF42",
      "8429dfba162fa5ce287d2a565749e2fb2cbda6e650d783d8597ea67bcb04075f",
    ],
  ])("knows the signature of %j", async (body, secret, digest) => {
    const { grants, send } = await world();
    await grants.changeConnection("all", { secret }, OPERATOR);
    const status = statusOf(await send(body, { headers: { "x-hub-signature": `sha256=${digest}` } }));
    // The signature is judged before anything is read: what is signed and no JSON is malformed, not a forgery.
    expect(status).toBe(body.startsWith("{") ? "accepted" : 400);
    expect(statusOf(await send(`${body} `, { headers: { "x-hub-signature": `sha256=${digest}` } }))).toBe(401);
  });

  it.each([1, 3, 64, 1_000])("judges the same bytes when they arrive in chunks of %i", async (chunk) => {
    const { send } = await world();
    expect(statusOf(await send(push, { chunk }))).toBe("accepted");
  });

  it("takes what either accepted secret has signed, and nothing signed with a dropped one", async () => {
    const { clock, grants, send } = await world();
    const previous = { headers: { "x-hub-signature": sign(push, PREVIOUS) } };
    expect(statusOf(await send(push))).toBe("accepted");
    expect(statusOf(await send(push, previous))).toBe("accepted");
    await grants.dropPreviousSecret("all", OPERATOR);
    clock.at += 5_000;
    expect(statusOf(await send(push))).toBe("accepted");
    expect(statusOf(await send(push, previous))).toBe(401);
  });

  it.each([
    ["missing", undefined],
    ["empty", ""],
    ["of another secret", sign(push, "somebody else's secret, 32 characters")],
    ["of another connection's secret", sign(push, "another one's")],
    ["of no secret", sign(push, "")],
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
  ])("refuses a signature that is %s", async (_, signature) => {
    const { send } = await world();
    expect(statusOf(await send(push, { headers: { "x-hub-signature": signature } }))).toBe(401);
  });

  it("is never open for a connection without secrets, or with an empty one", async () => {
    const clock = { now: () => START };
    for (const secrets of [[], [""]]) {
      const entrance = createSignedWebhookEntrance({
        host: "default",
        clock,
        grants: {
          connection: async (id) => ({
            id,
            workspace: WORKSPACE,
            kind: "organization",
            login: "harbour",
            repository: null,
            secrets,
            token: "t",
            hook: null,
            createdAt: "2026-11-20T10:00:00.000Z",
          }),
        },
      });
      const path = "/webhooks/bitbucket/all";
      const headers = headersFor(push, { "x-hub-signature": sign(push, "") });
      const opening = await entrance.open({ method: "POST", path, url: path, headers });
      expect(opening === null ? null : statusOf(pass(opening, Buffer.from(push)))).toBe(401);
    }
  });

  it("answers only below its own path", async () => {
    const { asked, send } = await world();
    for (const path of [
      "/webhooks/bitbucket",
      "/webhooks/bitbucket/",
      "/webhooks/bitbucket/all/x",
      "/webhooks/github",
    ]) {
      expect(statusOf(await send(push, { path }))).toBe("not here");
    }
    expect(asked).toEqual([]);
  });

  it.each(["unknown", "ALL", "a".repeat(65), "a%2fb", "..", "a.b", "all ", "%00"])(
    "knows no connection %j",
    async (id) => {
      const { asked, send } = await world();
      expect(statusOf(await send(push, { path: `/webhooks/bitbucket/${id}` }))).toBe(404);
      // What can not be an id is not asked for.
      expect(asked).toEqual(["unknown", "ALL"].includes(id) ? [id] : []);
    },
  );

  it("wants POST, JSON, an event and a delivery's id, and asks for nothing before", async () => {
    const { asked, send } = await world();
    expect(await send(push, { method: "GET" })).toMatchObject({ answer: { status: 405, headers: { allow: "POST" } } });
    const refused: [Headers, number][] = [
      [{ "content-type": "application/x-www-form-urlencoded" }, 415],
      [{ "content-type": undefined }, 415],
      [{ "content-type": "application/jsonp" }, 415],
      [{ "x-event-key": undefined }, 400],
      [{ "x-event-key": "repo:push\u0000" }, 400],
      [{ "x-event-key": "Repo:Push" }, 400],
      [{ "x-event-key": `repo:${"p".repeat(60)}` }, 400],
      [{ "x-request-uuid": undefined }, 400],
      [{ "x-request-uuid": "" }, 400],
      [{ "x-request-uuid": "ä" }, 400],
      [{ "x-request-uuid": "a".repeat(201) }, 400],
    ];
    for (const [headers, status] of refused)
      expect([headers, statusOf(await send(push, { headers }))]).toEqual([headers, status]);
    expect(asked).toEqual([]);
    expect(statusOf(await send(push, { headers: { "content-type": "application/json; charset=utf-8" } }))).toBe(
      "accepted",
    );
  });

  it.each(["installed", "uninstalled", "connected", "disconnected", BUILD_ORDER, FOUND])(
    "does not take the event %s, which only this program journals",
    async (event) => {
      const { send } = await world();
      expect(statusOf(await send(push, { headers: { "x-event-key": event } }))).toBe(400);
    },
  );

  it.each([
    ["nothing", ""],
    ["no JSON", "{"],
    ["a list", "[]"],
    ["a text", '"repo:push"'],
    ["null", "null"],
    ["a byte order mark", `\ufeff${push}`],
    ["bytes that are not UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ["the envelope of a Connect app's webhook", `{"event":"repo:push","data":${push}}`],
  ])("refuses %s as a body, signed as it is", async (_, body) => {
    const { send } = await world();
    expect(statusOf(await send(body))).toBe(400);
  });

  it("takes at most 1 MiB", async () => {
    const { open } = await world();
    const opening = await open(push);
    expect(opening).toMatchObject({ maxBytes: 1_048_576 });
  });
});

describe("what a connection's secret vouches for", () => {
  it.each([
    [
      "of its workspace, whose uuid has no braces",
      { workspace: { uuid: WORKSPACE.slice(1, -1).toUpperCase() } },
      "accepted",
    ],
    ["of its workspace, named as owner", { owner: { uuid: WORKSPACE } }, "accepted"],
    ["of a repository without workspace", { uuid: REPOSITORY }, "accepted"],
    ["of another workspace", { uuid: REPOSITORY, workspace: { uuid: OTHER_WORKSPACE } }, 403],
    [
      "of another workspace, owned by its own",
      { workspace: { uuid: OTHER_WORKSPACE }, owner: { uuid: WORKSPACE } },
      403,
    ],
    ["of another owner", { uuid: REPOSITORY, owner: { uuid: OTHER_WORKSPACE } }, 403],
    ["of what is no uuid", { workspace: { uuid: "harbour" } }, 403],
    ["of a number", { workspace: { uuid: 7 } }, 403],
  ])("is a payload %s: %s", async (_, repository, expected) => {
    const { send } = await world();
    expect(statusOf(await send(pushOf(repository)))).toBe(expected);
  });

  it("is, for a repository's connection, that repository only", async () => {
    const { send } = await world();
    const path = "/webhooks/bitbucket/one";
    expect(statusOf(await send(push, { path }))).toBe("accepted");
    const workspace = { uuid: WORKSPACE };
    expect(statusOf(await send(pushOf({ uuid: OTHER_REPOSITORY, workspace }), { path }))).toBe(403);
    expect(statusOf(await send(pushOf({ workspace }), { path }))).toBe(403);
    expect(statusOf(await send(pushOf(null), { path }))).toBe(403);
  });

  it("is that a repository has moved away, and nothing else of it", async () => {
    const { send } = await world();
    const moved = pushOf(
      { uuid: REPOSITORY, workspace: { uuid: OTHER_WORKSPACE } },
      { previous_workspace: { uuid: WORKSPACE } },
    );
    expect(statusOf(await send(moved, { headers: { "x-event-key": "repo:transfer" } }))).toBe("accepted");
    expect(statusOf(await send(moved))).toBe(403);
    const others = pushOf(
      { uuid: REPOSITORY, workspace: { uuid: OTHER_WORKSPACE } },
      { previous_workspace: { uuid: OTHER_WORKSPACE } },
    );
    expect(statusOf(await send(others, { headers: { "x-event-key": "repo:transfer" } }))).toBe(403);
  });

  it("is in no stream of another workspace, whichever repository it names: it would hold up what comes behind it", async () => {
    const { grants, send } = await world();
    const workspace = OTHER_WORKSPACE;
    const other = { id: "other", workspace, kind: "organization", login: "other", token: "t", hook: null } as const;
    const told = { provider: "bitbucket", host: "default", deliveryId: "connected-2" } as IncomingDelivery;
    await grants.addConnection({ ...other, repository: null, secrets: [SECRET] }, told, OPERATOR);
    const body = pushOf({ uuid: REPOSITORY });
    const [ours, theirs] = [await send(body), await send(body, { path: "/webhooks/bitbucket/other" })];
    expect(ours).toMatchObject({ stream: `repo:${WORKSPACE}/${REPOSITORY}` });
    expect(theirs).toMatchObject({ stream: `repo:${OTHER_WORKSPACE}/${REPOSITORY}` });
  });

  it("is never one in a stream or name that the payload made up", async () => {
    const { send } = await world();
    const odd = await send(pushOf({ uuid: "{x}\u0000", full_name: "a\nb", workspace: { uuid: WORKSPACE } }));
    expect(odd).toMatchObject({ stream: `installation:${WORKSPACE}`, repositoryId: null, repositoryName: null });
  });
});

describe("a delivery that comes again", () => {
  let server: Server | null = null;

  afterEach(async () => {
    const closing = server;
    server = null;
    if (closing !== null) await new Promise((resolve) => closing.close(resolve));
  });

  it("is known by its request's uuid, as a retry and as a replay", async () => {
    const { entrance } = await world();
    const journalled: string[] = [];
    const inbox = createInbox({
      append: async (batch) =>
        batch.map(({ deliveryId }) => !journalled.includes(deliveryId) && journalled.push(deliveryId) > 0),
    });
    const intake = createIntake({ entrances: [entrance], inbox });
    const listening = createServer((req, res) => {
      if (!intake.handle(req, res)) res.writeHead(404).end();
    });
    server = listening;
    await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
    const { port } = listening.address() as AddressInfo;

    async function post(changes: Record<string, string>): Promise<number> {
      const response = await fetch(`http://127.0.0.1:${port}/webhooks/bitbucket/all`, {
        method: "POST",
        headers: { ...(headersFor(push) as Record<string, string>), connection: "close", ...changes },
        body: push,
      });
      await response.arrayBuffer();
      return response.status;
    }
    expect(await post({})).toBe(202);
    expect(await post({ "x-attempt-number": "2" })).toBe(200);
    expect(await post({ "x-attempt-number": "3" })).toBe(200);
    expect(await post({ "x-hook-uuid": "f3a5c1c2-0000-4000-8000-000000000002" })).toBe(200);
    expect(await post({ "x-request-uuid": "8c2f7d0e-58a4-4c4b-9d36-0f6f2a1d8a11" })).toBe(202);
    expect(journalled).toEqual([REQUEST, "8c2f7d0e-58a4-4c4b-9d36-0f6f2a1d8a11"]);
  });
});
