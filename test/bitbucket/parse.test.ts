import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import { lifecycleDelivery } from "../../src/bitbucket/lifecycle-delivery.ts";
import { type ParseContext, parseBitbucket } from "../../src/bitbucket/parse.ts";
import { describeParser, readFixtures } from "../contract/parser.contract.ts";

const folder = join(dirname(fileURLToPath(import.meta.url)), "../fixtures/bitbucket");
const context: ParseContext = { host: "default", webUrl: "https://bitbucket.org", installationId: null };

describeParser({
  provider: "bitbucket",
  folder,
  parse: (event, payload, host) => parseBitbucket(event, payload, { ...context, host }),
  id: /^\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}$/,
  foreign: ["push", "pull_request", "installation", "star", "repo:", ":push", "repo:Push", "repo push"],
});

const fixtures = readFixtures(folder);

function payloadOf(name: string): Record<string, unknown> {
  return JSON.parse(fixtures.find((fixture) => fixture.name === name)?.text ?? "") as Record<string, unknown>;
}

const OTHER = "{2c84d7f1-90be-4e3a-85d2-b61f0a9e437d}";

describe("the two forms of Bitbucket's payloads", () => {
  it("say the same", () => {
    const plain = fixtures.filter(({ text }) => !("data" in JSON.parse(text)));
    expect(plain.length).toBeGreaterThan(80);
    for (const { event, text } of plain) {
      const data: unknown = JSON.parse(text);
      expect(parseBitbucket(event, { event, data }, context)).toEqual(parseBitbucket(event, data, context));
    }
  });

  it("are not mixed up: an envelope of another event is refused, and names that event", () => {
    const push = payloadOf("repo-push.branch-enveloped");
    expect(parseBitbucket("pullrequest:created", push, context)).toEqual({
      ok: false,
      message: "Not a usable pullrequest:created payload: its envelope is of repo:push.",
    });
    expect(parseBitbucket("repo:push", { ...push, event: "evil\u001b[31m" }, context)).toEqual({
      ok: false,
      message: "Not a usable repo:push payload: its envelope is of another event.",
    });
  });
});

describe("one push", () => {
  it("gives every change, in the order it came", () => {
    const result = parseBitbucket("repo:push", payloadOf("repo-push.several"), context);
    const changes = result.ok && result.event.type === "push" ? result.event.changes : [];
    expect(changes.map(({ ref, before, after }) => [ref, before !== null, after !== null])).toEqual([
      ["refs/heads/main", true, true],
      ["refs/heads/release/2.x", false, true],
      ["refs/tags/v2.0.0", false, true],
      ["refs/tags/v1.9.1", false, true],
      ["refs/heads/old-idea", true, false],
    ]);
  });

  it("is not believed with more changes than Bitbucket can send", () => {
    const payload = payloadOf("repo-push.several") as { push: { changes: object[] } };
    const [first = {}] = payload.push.changes;
    const of = (count: number) => ({ ...payload, push: { changes: Array.from({ length: count }, () => first) } });
    expect(parseBitbucket("repo:push", of(500), context)).toMatchObject({ ok: true });
    expect(parseBitbucket("repo:push", of(501), context)).toEqual({
      ok: false,
      message: "Not a usable repo:push payload: push.changes: more than 500 changes.",
    });
  });

  it("says of which refs it does not name the commits, and gives the others all the same", () => {
    const result = parseBitbucket("repo:push", payloadOf("repo-push.abbreviated-hash"), context);
    expect(result).toMatchObject({
      event: {
        changes: [{ ref: "refs/tags/v3.0.0" }],
        unusable: [{ ref: "refs/heads/main", kind: "branch", name: "main", after: "9e27c1f4058b" }],
      },
    });
  });

  it("is found and cloned below the host's own address, whatever its links say", () => {
    const emulator = { ...context, webUrl: "http://127.0.0.1:7990" };
    expect(parseBitbucket("repo:push", payloadOf("repo-push.links-elsewhere"), emulator)).toMatchObject({
      event: {
        repository: {
          cloneUrl: "http://127.0.0.1:7990/harbour-works/crane.git",
          webUrl: "http://127.0.0.1:7990/harbour-works/crane",
        },
      },
    });
  });
});

describe("the workspace a delivery is of", () => {
  const door = { ...context, installationId: OTHER };

  it.each(["repo-push.branch", "pullrequest-created.plain", "repo-deleted.plain"])(
    "is the one that was verified, not the one that is written: %s",
    (name) => {
      const event = name.split(".")[0]?.replace("-", ":") ?? "";
      expect(parseBitbucket(event, payloadOf(name), door)).toMatchObject({
        event: { installation: { provider: "bitbucket", host: "default", id: OTHER } },
      });
    },
  );

  it("is not asked of a payload that does not say it", () => {
    const payload = payloadOf("repo-push.neither-owner-nor-workspace");
    expect(parseBitbucket("repo:push", payload, context)).toMatchObject({ ok: false });
    expect(parseBitbucket("repo:push", payload, door)).toMatchObject({ event: { installation: { id: OTHER } } });
  });

  it("is spelled in one way", () => {
    const spelled = { ...context, installationId: OTHER.slice(1, -1).toUpperCase() };
    expect(parseBitbucket("repo:push", payloadOf("repo-push.branch"), spelled)).toMatchObject({
      event: { installation: { id: OTHER } },
    });
  });

  it.each(["", "0", "acme", "{}"])("is never taken from the payload when %j was verified", (installationId) => {
    expect(parseBitbucket("repo:push", payloadOf("repo-push.branch"), { ...context, installationId })).toEqual({
      ok: false,
      message: "Not a usable repo:push payload: repository.workspace: names no workspace.",
    });
  });
});

describe("what a pull request is fetched from", () => {
  const checkoutOf = (name: string) => {
    const event = name.split(".")[0]?.replace("-", ":") ?? "";
    const result = parseBitbucket(event, payloadOf(name), context);
    return result.ok && result.event.type === "pull_request" ? result.event.checkout : undefined;
  };

  it("is the repository itself, with its credential, or the fork without one", () => {
    expect(checkoutOf("pullrequest-created.plain")).toMatchObject({ anonymous: false });
    expect(checkoutOf("pullrequest-created.same-repository-in-upper-case")).toMatchObject({ anonymous: false });
    expect(checkoutOf("pullrequest-created.fork")).toMatchObject({ anonymous: true });
    // What is told apart are ids: a fork may be called as the repository is.
    expect(checkoutOf("pullrequest-created.fork-of-the-same-name")).toMatchObject({ anonymous: true });
  });

  it("is found by the fork's name below the host's own address, whatever its links say", () => {
    const payload = payloadOf("pullrequest-created.fork") as { pullrequest: { source: { repository: object } } };
    const { source } = payload.pullrequest;
    source.repository = {
      ...source.repository,
      full_name: "stranger/crane",
      links: { html: { href: "https://evil.test/" }, clone: [{ name: "https", href: "https://evil.test/crane.git" }] },
    };
    expect(parseBitbucket("pullrequest:created", payload, context)).toMatchObject({
      event: { checkout: { cloneUrl: "https://bitbucket.org/stranger/crane.git", anonymous: true } },
    });
  });

  it("is nothing when the fork is gone", () => {
    expect(checkoutOf("pullrequest-updated.fork-is-gone")).toBeNull();
    expect(checkoutOf("pullrequest-updated.no-source-repository")).toBeNull();
  });
});

describe("a pull request that is closed by now", () => {
  it.each([
    ["MERGED", "merged"],
    ["DECLINED", "declined"],
    ["SUPERSEDED", "declined"],
    ["OPEN", "updated"],
    ["", "updated"],
  ])("is not opened by an event that came late: %s", (state, action) => {
    const payload = payloadOf("pullrequest-updated.plain") as { pullrequest: object };
    payload.pullrequest = { ...payload.pullrequest, state };
    expect(parseBitbucket("pullrequest:updated", payload, context)).toMatchObject({ event: { action } });
  });
});

describe("the life of an installation", () => {
  it.each([
    ["installed", "created"],
    ["connected", "created"],
    ["uninstalled", "removed"],
    ["disconnected", "removed"],
  ] as const)("is understood as it is journalled: %s", (event, action) => {
    const workspace = { uuid: OTHER, slug: "dock-hand", kind: "user" } as const;
    const delivery = lifecycleDelivery({ event, host: "default", workspace, door: "webhook", id: "1", nowMs: 0 });
    const { installationId } = delivery;
    const identity = { provider: "bitbucket", host: "default", id: OTHER };
    expect(
      parseBitbucket(delivery.event, JSON.parse(delivery.body.toString("utf8")), { ...context, installationId }),
    ).toEqual({
      ok: true,
      event: {
        type: "installation",
        action,
        installation: identity,
        account: { ...identity, login: "dock-hand", kind: "user" },
        permissions: {},
        repositories: null,
        actor: null,
      },
    });
  });

  it("is not another workspace's", () => {
    expect(
      parseBitbucket("uninstalled", payloadOf("uninstalled.connect"), { ...context, installationId: OTHER }),
    ).toEqual({
      ok: false,
      message: "Not a usable uninstalled payload: workspace.uuid: not the workspace it was recorded for.",
    });
  });
});

it("does not quote what it rejects", () => {
  const payload = payloadOf("repo-push.branch");
  const result = parseBitbucket("repo:push", { ...payload, repository: { uuid: "ATCTT3secret\u001b[31m" } }, context);
  expect(result).toMatchObject({ ok: false, message: expect.stringContaining("repository.uuid: not a uuid") });
  expect(JSON.stringify(result)).not.toContain("secret");
});
