import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { AttemptPage, DeliveryAttempt, DeliverySource } from "../../src/engine/missed-port.ts";
import { createGithubAccess } from "../../src/github/access.ts";
import { createGithubEntrance } from "../../src/github/entrance.ts";
import { createMissedDeliveries } from "../../src/github/missed.ts";
import { createGithubHost, type GithubHost, HOST_KINDS } from "../hosts/github/index.ts";
import { accessAnswering } from "./recorded-fetch.ts";

const DAY = 24 * 60 * 60 * 1_000;
const SECRET = "a webhook secret of more than thirty-two characters";
const clock = { now: () => Date.parse("2026-11-20T10:00:00Z") };

function given<T>(
  outcome: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string },
) {
  if (!outcome.ok) throw new Error(outcome.message);
  return outcome.value;
}

async function all(source: DeliverySource): Promise<{ attempts: DeliveryAttempt[]; pages: number }> {
  const attempts: DeliveryAttempt[] = [];
  let pages = 0;
  for (let page: string | null = null, more = true; more; more = page !== null) {
    const listed: AttemptPage = given(await source.list(page));
    attempts.push(...listed.attempts);
    pages += 1;
    page = listed.next;
  }
  return { attempts, pages };
}

describe.each(HOST_KINDS)("what could not be delivered, on $kind", (kind) => {
  const days = kind.basePath === "" ? 3 : 7;
  let github: GithubHost;
  let source: DeliverySource;

  beforeEach(async () => {
    // Nobody listens there.
    github = await createGithubHost({ ...kind, webhook: { url: "http://127.0.0.1:9/", secret: SECRET } });
    const { appId, privateKey, apiUrl } = github;
    const host = kind.basePath === "" ? "default" : "ghes";
    source = createMissedDeliveries(createGithubAccess({ host, appId, privateKey, apiUrl, clock }), clock);
  });

  afterEach(async () => {
    const { violations } = github;
    await github.close();
    expect(violations).toEqual([]);
  });

  it("is listed page by page, the newest first", async () => {
    const payload = { ref: "refs/heads/main" };
    const guids: string[] = [];
    for (let index = 0; index < 230; index += 1) guids.push((await github.deliver("push", payload)).guid);
    const { attempts, pages } = await all(source);
    expect(pages).toBe(3);
    expect(attempts.map(({ deliveryId }) => deliveryId)).toEqual(guids.reverse());
    const [newest] = github.deliveries.toReversed();
    expect(attempts[0]).toEqual({
      id: newest?.id,
      deliveryId: newest?.guid,
      sentAt: Date.parse(newest?.deliveredAt ?? ""),
      status: null,
      wanted: true,
    });
    expect(github.calls.every(({ token }) => token === "app")).toBe(true);
  });

  it("is fetched as it would have come, but for the spelling of its JSON", async () => {
    const organization = github.organization("acme");
    const repository = await github.repository(organization, "api");
    await repository.commit({ message: "Begin" });
    const installation = await github.install(organization);
    const { delivery } = await github.push(repository, { files: { ä: "\u{1f41f}\n" } });
    const { attempts } = await all(source);
    const attempt = attempts.find(({ deliveryId }) => deliveryId === delivery.guid);
    const fetched = given(await source.fetch(attempt ?? (attempts[0] as DeliveryAttempt)));
    const sent = github.deliveries.find(({ guid }) => guid === delivery.guid);
    const { body, ...facts } = fetched;
    expect(JSON.parse(body.toString("utf8"))).toEqual(JSON.parse(sent?.body ?? ""));
    expect(facts).toEqual({
      provider: "github",
      host: source.host,
      deliveryId: delivery.guid,
      event: "push",
      action: null,
      stream: `repo:${repository.id}`,
      repositoryId: String(repository.id),
      repositoryName: "acme/api",
      installationId: String(installation.id),
      receivedAt: clock.now(),
    });
    // The entrance says the same of the bytes that were signed.
    const opening = createGithubEntrance({ path: "/", host: source.host, secrets: [SECRET], clock }).open({
      method: "POST",
      path: "/",
      url: "/",
      headers: { "content-type": "application/json", ...sent?.requestHeaders },
    });
    if (opening === null || "answer" in opening) throw new Error("the entrance did not open");
    const bytes = Buffer.from(sent?.body ?? "");
    opening.update(bytes);
    expect(opening.close(bytes)).toEqual({ ...facts, body: bytes });
  });

  it(`is there for ${days} days`, async () => {
    await github.ping();
    const { attempts } = await all(source);
    github.advance(days * DAY - 60_000);
    expect((await all(source)).attempts).toEqual(attempts);
    github.advance(2 * 60_000);
    expect((await all(source)).attempts).toEqual([]);
    expect(await source.fetch(attempts[0] as DeliveryAttempt)).toMatchObject({
      ok: false,
      retryable: false,
      message: expect.stringContaining("GitHub answered 404"),
    });
  });
});

const ITEM = {
  id: 12,
  guid: "g",
  delivered_at: "2026-11-20T09:00:00Z",
  status_code: 503,
  event: "push",
  action: null,
};

function answering(status: number, body: unknown, headers: Record<string, string> = {}) {
  const { access, network } = accessAnswering(() => ({ status, body, headers }));
  return { source: createMissedDeliveries(access, clock), network };
}

describe("the list of deliveries", () => {
  it.each([
    ["check_run", "created", false],
    ["check_run", "completed", false],
    ["ping", null, false],
    ["check_run", "requested_action", true],
    ["check_run", "rerequested", true],
    ["check_suite", "completed", true],
    ["installation", "created", true],
    ["push", undefined, true],
  ])("says of %s %s whether there is anything in it: %s", async (event, action, wanted) => {
    const { source } = answering(200, [{ ...ITEM, event, action }]);
    expect(given(await source.list(null)).attempts).toEqual([
      { id: "12", deliveryId: "g", sentAt: Date.parse(ITEM.delivered_at), status: 503, wanted },
    ]);
  });

  it("asks for a hundred at a time, and follows GitHub to the next page of the API only", async () => {
    const next = "https://api.github.test/app/hook/deliveries?per_page=100&cursor=v1_1";
    const { source, network } = answering(200, [ITEM], { link: `<${next}>; rel="next"` });
    const { next: page } = given(await source.list(null));
    expect(page).toBe(next);
    await source.list(page);
    expect(network.asked().map(({ path }) => path)[0]).toBe("/app/hook/deliveries?per_page=100");
    expect(await source.list("https://elsewhere.test/app/hook/deliveries")).toMatchObject({ ok: false });
  });

  it.each(["9007199254740993", "3804004623172239367", "18446744073709551615", "1000000000000000", "42"])(
    "tells of the id %s digit by digit, and leaves digits in strings alone",
    async (id) => {
      const guid = 'a \\" 3804004623172239366, "b": 3804004623172239366';
      const more = `"id":${id},"duration":0.12345678901234567,"far":1234567890123456e2,`;
      const item = JSON.stringify({ ...ITEM, guid }).replace('"id":12,', more);
      const { source } = answering(200, `[${item}]`);
      const [attempt] = given(await source.list(null)).attempts;
      expect(attempt).toMatchObject({ id, deliveryId: guid });
    },
  );

  it("is not read in a circle", async () => {
    const page = "https://api.github.test/app/hook/deliveries?cursor=v1_1";
    const { source } = answering(200, [ITEM], { link: `<${page}>; rel="next"` });
    expect(await source.list(page)).toMatchObject({ ok: false, retryable: true });
  });

  it.each<[number, unknown, object]>([
    [404, { message: "Not Found" }, { retryable: false }],
    [403, { message: "Resource not accessible by integration" }, { retryable: false }],
    [422, { message: "Invalid cursor" }, { retryable: false }],
    [401, { message: "Bad credentials" }, { retryable: true, retryAfter: 60 }],
    [429, { message: "Too many requests" }, { retryable: true, retryAfter: 60 }],
    [502, null, { retryable: true, retryAfter: null }],
    [200, { deliveries: [] }, { retryable: false, message: expect.stringContaining("not of the documented shape") }],
    [200, [{ ...ITEM, delivered_at: "yesterday" }], { retryable: false }],
  ])("that is answered with %i %j is none", async (status, body, expected) => {
    const { source } = answering(status, body);
    expect(await source.list(null)).toMatchObject({ ok: false, ...expected });
  });
});

describe("a delivery that is fetched", () => {
  const ATTEMPT: DeliveryAttempt = { id: "12", deliveryId: "g", sentAt: 0, status: 503, wanted: true };
  const DELIVERY = { ...ITEM, request: { headers: {}, payload: { action: "x" } } };

  it("keeps half characters and control characters as JSON spells them", async () => {
    const payload = { action: "a\u0000", text: "\ud800" };
    const { source } = answering(200, { ...DELIVERY, request: { headers: {}, payload } });
    const { body, action } = given(await source.fetch(ATTEMPT));
    expect([body.toString("utf8"), action]).toEqual(['{"action":"a\\u0000","text":"\\ud800"}', null]);
  });

  it.each([
    [404, false],
    [410, false],
    [403, true],
    [400, true],
  ])("that is answered with %i may be asked for again: %s", async (status, retryable) => {
    const { source } = answering(status, { message: "No." });
    expect(await source.fetch(ATTEMPT)).toMatchObject({ ok: false, retryable, retryAfter: null });
  });

  it.each<[string, unknown]>([
    ["another delivery", { ...DELIVERY, guid: "h" }],
    ["no payload", { ...DELIVERY, request: { headers: {}, payload: null } }],
    ["a payload that is a list", { ...DELIVERY, request: { headers: {}, payload: [] } }],
    ["an event that is none", { ...DELIVERY, event: "Push!" }],
    ["nothing", null],
  ])("is not taken for one where GitHub answers with %s", async (_what, body) => {
    const { source } = answering(200, body);
    expect(await source.fetch(ATTEMPT)).toMatchObject({ ok: false, retryable: false });
  });
});
