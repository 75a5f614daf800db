import { describe, expect, it } from "@jest/globals";
import { readHead } from "../../src/bitbucket/pulls.ts";
import type { PullRequestEvent } from "../../src/core/events.ts";
import type { HostId } from "../../src/core/model.ts";
import {
  ACME,
  type Answer,
  accessAnswering,
  CONNECTION,
  type Granted,
  NOT_FOUND,
  OTHER_REPO,
  REPO,
  REPO_PATH,
  refused,
  WEB_URL,
} from "./recorded-fetch.ts";

const SHA = `0123456789ab${"c".repeat(28)}`;
const TARGET = "d".repeat(40);

const host = { provider: "bitbucket", host: "default" } as const;
const installation: HostId = { ...host, id: ACME };

const own: PullRequestEvent = {
  type: "pull_request",
  action: "opened",
  repository: {
    ...host,
    id: REPO,
    fullName: "acme/api",
    private: true,
    defaultBranch: "main",
    cloneUrl: `${WEB_URL}/acme/api.git`,
    webUrl: `${WEB_URL}/acme/api`,
  },
  installation,
  number: 7,
  source: {
    repository: { ...host, id: REPO, fullName: "acme/api", private: true },
    branch: "topic",
    commit: SHA.slice(0, 12),
    before: null,
  },
  checkout: { cloneUrl: `${WEB_URL}/acme/api.git`, ref: "refs/heads/topic", anonymous: false },
  target: { branch: "main", commit: TARGET.slice(0, 12) },
  fork: false,
  draft: false,
  queued: false,
  actor: null,
};

const forked: PullRequestEvent = {
  ...own,
  source: { ...own.source, repository: { ...host, id: OTHER_REPO, fullName: "stranger/api", private: true } },
  checkout: { cloneUrl: `${WEB_URL}/stranger/api.git`, ref: "refs/heads/topic", anonymous: true },
  fork: true,
};

const shown = { type: "commit", hash: SHA, message: "Do it\n\n[skip ci]\n", date: "2026-11-20T12:00:00+02:00" };

function asking(event: PullRequestEvent, answer: Answer, granted: Granted = { connections: [CONNECTION] }) {
  const { access, network } = accessAnswering(() => answer, granted);
  return { head: readHead(access, event), network };
}

function found(rest: object = {}): Answer {
  return { status: 200, body: { ...shown, ...rest } };
}

const head = { commit: SHA, message: shown.message, committedAt: "2026-11-20T10:00:00.000Z", target: null };

describe("the head of a pull request", () => {
  it("is one call by ids, for all of the commit that an event abbreviates", async () => {
    const side = asking(own, found());
    expect(await side.head).toEqual({ ok: true, value: head });
    expect(side.network.asked().map(({ path, query }) => [path.split("?")[0], query["fields"]])).toEqual([
      [`${REPO_PATH}/commit/${SHA.slice(0, 12)}`, "hash,message,date,repository.is_private"],
    ]);
  });

  it("of a fork is asked of the fork, wherever it is and whatever it is called by now", async () => {
    const side = asking(forked, found({ repository: { is_private: false } }));
    expect(await side.head).toEqual({ ok: true, value: head });
    expect(side.network.paths()[0]).toMatch(
      `/2.0/repositories/${encodeURIComponent("{}")}/${encodeURIComponent(OTHER_REPO)}/commit/${SHA.slice(0, 12)}?`,
    );
  });

  it("of a fork is taken where Bitbucket does not say whether the fork is private", async () => {
    expect(await asking(forked, found({ repository: { uuid: OTHER_REPO } })).head).toEqual({ ok: true, value: head });
    expect(await asking(forked, found({ repository: null })).head).toEqual({ ok: true, value: head });
  });

  it("comes with its target's commit where the event names it in full", async () => {
    const full = { ...own, target: { branch: "main", commit: TARGET } };
    expect(await asking(full, found()).head).toMatchObject({ value: { target: TARGET } });
  });

  it.each([{ message: null }, { message: undefined }, { message: 3 }])("may say nothing: %j", async (rest) => {
    expect(await asking(own, found(rest)).head).toEqual({ ok: true, value: { ...head, message: "" } });
  });

  it.each([{ date: null }, { date: "soon" }, { date: 3 }])("may not say when it was made: %j", async (rest) => {
    expect(await asking(own, found(rest)).head).toEqual({ ok: true, value: { ...head, committedAt: null } });
  });

  it.each<[string, PullRequestEvent, Answer]>([
    ["it is not there (any more)", own, NOT_FOUND],
    ["the fork is not", forked, NOT_FOUND],
    ["the fork is kept from us", forked, refused(403, "You do not have access to this repository.")],
    [
      "the fork is private, which its clone without credentials is not for",
      forked,
      found({ repository: { is_private: true } }),
    ],
    ["the digits were taken for a branch's name", own, found({ hash: "e".repeat(40) })],
    ["the answer has no full hash either", own, found({ hash: SHA.slice(0, 12) })],
    [
      "the answer has the hash of nothing",
      { ...own, source: { ...own.source, commit: "0".repeat(12) } },
      found({ hash: "0".repeat(40) }),
    ],
  ])("is null when %s", async (_, event, answer) => {
    expect(await asking(event, answer).head).toEqual({ ok: true, value: null });
  });

  it("of one that is private and our own is there", async () => {
    expect(await asking(own, found({ repository: { is_private: true } })).head).toEqual({ ok: true, value: head });
  });

  it.each([
    ["its fork is gone", { ...forked, source: { ...own.source, repository: null } }],
    ["the event names no commit", { ...own, source: { ...own.source, commit: null } }],
  ])("is null without a call when %s", async (_, event) => {
    const side = asking(event, found());
    expect(await side.head).toEqual({ ok: true, value: null });
    expect(side.network.calls).toEqual([]);
  });

  it.each<[PullRequestEvent, Answer]>([
    [own, refused(403, "Forbidden")],
    [own, refused(400, "Bad request")],
    [own, { status: 200, body: "" }],
    [own, { status: 200, body: { message: "No hash" } }],
    [forked, refused(403, "Your credentials lack a scope.", { required: ["repository"] })],
  ])("is not called gone when Bitbucket answers %#", async (event, answer) => {
    expect(await asking(event, answer).head).toMatchObject({ ok: false, retryable: false });
  });

  it("waits for a Bitbucket that does not answer, and for a grant", async () => {
    expect(await asking(forked, { status: 502 }).head).toMatchObject({ ok: false, retryable: true });
    expect(await asking(forked, found(), {}).head).toMatchObject({ ok: false, retryable: true });
  });
});
