/** What pages are looked at with: something of everything, some of it made by people who mean no good. */

import { ok } from "../../src/core/model.ts";
import type { NoticeTarget } from "../../src/engine/notices-port.ts";
import { aBuild, aDelivery, DIGEST, installation, NOW, repository, SHA, type World } from "../web/world.ts";

/** Stands wherever a repository may put text: markup, hidden characters, and no place to break a line. */
export const HOSTILE = `<img src=x onerror=alert(1)>"'\u202efdp.exe\u200b${"w".repeat(90)}`;

const LOG = [
  "STEP 1/4: FROM node:20-slim",
  "STEP 2/4: COPY . /srv",
  "STEP 3/4: RUN npm ci && npm test",
  "\u001b[1m\u001b[32m✓\u001b[0m 214 tests passed \u001b[2m(3.1 s)\u001b[0m",
  "\u001b[33mnpm warn\u001b[0m deprecated left@1.0.0: use \u001b[36mright\u001b[0m",
  "\u001b[31merror TS2339\u001b[0m: Property 'x' does not exist on type 'never'.",
  `a long line ${"=".repeat(160)}>`,
  `STEP 4/4: ${HOSTILE}`,
].join("\n");

const web = { ...repository, id: "2", fullName: "acme/web" };
const pull = { number: 12, target: "main", fork: true };

const builds: World["builds"] = [
  aBuild(
    { id: "b3", state: "running", digest: null, image: "acme/web", repository: web, finishedAt: null },
    { tags: ["1.4.0", "1.4", "1", "latest"], ref: "refs/tags/v1.4.0", kind: "tag" },
  ),
  aBuild({ id: "b6", state: "queued", digest: null, steps: [], startedAt: null, finishedAt: null }),
  aBuild(
    {
      id: "b4",
      state: "held",
      digest: null,
      steps: [],
      startedAt: null,
      finishedAt: null,
      hold: { reason: "awaiting-approval", detail: "Pull request #12 comes from a fork: somebody has to approve it." },
    },
    { push: false, trust: "untrusted", kind: "pull_request", ref: "refs/heads/polite", pull },
  ),
  aBuild({
    tags: { published: ["latest"], older: [{ tag: "1.9", why: "It stays with v1.9.2, which is newer." }] },
    requestDigest: `sha256:${"cd".repeat(32)}`,
  }),
  aBuild({
    id: "b2",
    state: "failed",
    digest: null,
    failure: { class: "test", message: "RUN npm test ended with exit code 1.", line: 7 },
  }),
  aBuild({ id: "b7", state: "superseded", digest: null }),
  aBuild({
    id: "b8",
    state: "timed_out",
    digest: null,
    failure: { class: "timeout", message: "It took over 60 min." },
  }),
  aBuild(
    {
      id: "b5",
      image: `acme/${HOSTILE}`,
      repository: { ...repository, fullName: HOSTILE, webUrl: "javascript:alert(1)" },
      state: "failed",
      failure: { class: "build", message: HOSTILE },
      steps: [{ name: HOSTILE, startedAt: "2026-11-20T11:50:00Z", finishedAt: null }],
      hold: { reason: "awaiting-approval", detail: HOSTILE },
      approval: { actor: { id: "5", login: HOSTILE }, at: "2026-11-20T11:50:00Z" },
    },
    {
      tags: [HOSTILE, "latest"],
      ref: `refs/heads/${HOSTILE}`,
      rules: [HOSTILE],
      inputs: { ...aBuild().planned.inputs, dockerfile: HOSTILE, context: HOSTILE, target: HOSTILE },
    },
  ),
];

const skipped = { ref: "refs/heads/docs", sha: SHA, image: "api", rule: null, build: null } as const;

const deliveries: World["deliveries"] = [
  aDelivery({
    trace: [
      ...aDelivery().trace,
      {
        ref: `refs/heads/${HOSTILE}`,
        image: "api",
        rule: "images[0].rules[1]",
        verdict: "skip",
        reason: "no-match",
        facts: { rule: "semver >=1.0.0", change: HOSTILE },
        detail: `The branch ${HOSTILE} is no version.`,
      },
    ],
  }),
  aDelivery({
    id: "2",
    builds: [],
    outcome: "ignored",
    decisions: [
      { ...skipped, reason: "paths-unchanged", detail: "Only docs/manual.md changed, which does not count." },
    ],
  }),
  aDelivery({ id: "3", builds: [], outcome: "pending", decisions: [], trace: [] }),
  aDelivery({
    id: "5",
    event: "wharfinger.found",
    deliveryId: "found-4711",
    builds: ["b1"],
    decisions: [
      ...aDelivery().decisions,
      {
        ...skipped,
        ref: "refs/tags/v1.0.0",
        reason: "no-match",
        detail: "No rule of the image matches the tag v1.0.0.",
      },
    ],
  }),
  aDelivery({ id: "4", event: HOSTILE, repositoryName: HOSTILE, outcome: "failed", note: HOSTILE, builds: [] }),
];

const removed = { ...installation, id: "8", state: "removed", namespace: null } as const;
const listed = { ...repository, link: "linked" } as const;

const target: NoticeTarget = {
  id: "n",
  installation,
  kind: "email",
  shown: "",
  events: ["failed", "fixed"],
  by: { kind: "operator" },
  madeAt: "2026-11-20T10:00:00.000Z",
  toldAt: null,
  problem: null,
};

export const fullWorld: Partial<World> = {
  builds,
  deliveries,
  installations: [
    installation,
    removed,
    {
      ...installation,
      provider: "bitbucket",
      id: "{0f3a}",
      state: "suspended",
      namespace: null,
      claim: { id: "3", why: "harbour is not confirmed yet" },
      account: { ...installation.account, provider: "bitbucket", login: `harbour-${"r".repeat(60)}` },
    },
  ],
  repositories: [
    listed,
    { ...listed, ...web, link: "paused" },
    { ...listed, id: "3", fullName: `acme/${HOSTILE}`, webUrl: "javascript:alert(1)" },
    { ...listed, id: "4", fullName: "acme/attic", link: "archived" },
  ],
  surveys: {
    within: async (_ms, _installation, repositories) =>
      repositories.map((one, index) =>
        index === 1
          ? null
          : ok({
              repository: one,
              at: NOW - 60_000,
              survey: {
                defaultBranch: "main",
                hasFile: index === 0,
                dockerfiles: index === 3 ? [] : ["Dockerfile", "services/web/Dockerfile", `${HOSTILE}/Dockerfile`],
              },
            }),
      ),
  },
  receipts: [
    {
      id: "3",
      installation: removed,
      account: installation.account,
      removedAt: "2026-11-20T10:00:00.000Z",
      closedAt: "2026-11-20T10:00:05.000Z",
      keptUntil: "2026-12-20T10:00:00.000Z",
      restoredAt: null,
      purgedAt: null,
      items: [
        { what: "webhooks", state: "left", count: 1, detail: "That of connection c2: Bitbucket answered 403." },
        { what: "secrets", state: "removed", count: 2, detail: "Erased: NPM_TOKEN (01), DEPLOY_KEY (02)." },
        { what: "images", state: "kept", count: 14, detail: `Everything at ${DIGEST.slice(0, 20)} and beside it.` },
      ],
    },
  ],
  settings: {
    noticeDesk: {
      add: () => Promise.reject(new Error("nothing is changed here")),
      remove: async () => false,
      test: async () => null,
      list: async () => [
        { ...target, id: "n1", kind: "email", shown: "team@acme.example", toldAt: "2026-11-20T11:30:00.000Z" },
        {
          ...target,
          id: "n2",
          kind: "webhook",
          shown: `hooks.${"w".repeat(60)}.example`,
          problem: { at: "2026-11-20T11:30:00.000Z", why: "The address answered 404." },
        },
      ],
    },
    badges: {
      markdown: async () => `[![wharfinger](https://wharfinger.example/badge/${"w".repeat(200)})](https://w.example)`,
    },
  },
  logs: {
    read: (_build, offset, limit) => {
      const all = Buffer.from(LOG);
      return Promise.resolve({ bytes: all.subarray(offset, offset + limit), size: all.length });
    },
  },
};

/** A server that nobody has used yet. */
export const emptyWorld: Partial<World> = { builds: [], deliveries: [], installations: [], repositories: [] };
