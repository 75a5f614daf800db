/**
 * One decision in two places: what `plan --json` prints is what a server with the same facts has stored, for every
 * payload there is a golden file of. The store is the real one; the host is made of the stated facts.
 */

import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import type { HostEvent, PullRequestEvent, PushEvent } from "../../src/core/events.ts";
import { parseFacts } from "../../src/core/facts-file.ts";
import { type HeldBuild, ok, type PlannedBuild, type Policy, type Provider, parseSha } from "../../src/core/model.ts";
import { namespaceFor } from "../../src/core/namespaces.ts";
import { type PlanReport, planReport } from "../../src/core/plan-report.ts";
import { createClaims } from "../../src/engine/claims.ts";
import { createInstallations } from "../../src/engine/installations.ts";
import { createPauses } from "../../src/engine/pauses.ts";
import type { Host } from "../../src/engine/ports.ts";
import { createProcessor } from "../../src/engine/process.ts";
import { openStore } from "../../src/store/store.ts";
import { OPERATOR } from "../contract/store.by.ts";
import { delivery, give, writeRequest } from "../contract/store.samples.ts";
import { hostOf, recordingLog, registryOf } from "../engine/fakes.ts";
import { soleRegistry } from "../support/sole-registry.ts";
import { parsers, printed, type Told } from "./plan-world.ts";

const fixtures = fileURLToPath(new URL("../fixtures", import.meta.url));

function read(path: string): string {
  return readFileSync(join(fixtures, path), "utf8");
}

function json(path: string): unknown {
  return JSON.parse(read(path));
}

function payloadsIn(folder: string): readonly string[] {
  return readdirSync(join(fixtures, folder)).filter((name) => name.endsWith(".json") && !name.endsWith(".golden.json"));
}

type Named = Told & { readonly name: string };

function pushes(): readonly Named[] {
  const shared = { config: read("plans/wharfinger.yml"), facts: json("plans/facts.json") as object };
  return payloadsIn("plans").flatMap((file): Named[] => {
    if (file.endsWith(".bitbucket.json")) {
      return [{ ...shared, name: file, provider: "bitbucket", event: "repo:push", payload: json(`plans/${file}`) }];
    }
    if (!file.endsWith(".github.json")) return [];
    const payloads = json(`plans/${file}`) as readonly unknown[];
    return payloads.map((payload, at) => ({
      ...shared,
      name: `${file} ${at}`,
      provider: "github",
      event: "push",
      payload,
    }));
  });
}

function pulls(): readonly Named[] {
  const config = read("plans/pulls/wharfinger.yml");
  return payloadsIn("plans/pulls").flatMap((file) => {
    const { facts, ...hosts } = json(`plans/pulls/${file}`) as { readonly facts: object } & Partial<
      Record<Provider, Pick<Told, "event" | "payload">>
    >;
    return (["github", "bitbucket"] as const).flatMap((provider): Named[] => {
      const told = hosts[provider];
      return told === undefined ? [] : [{ name: `${file} of ${provider}`, provider, config, facts, ...told }];
    });
  });
}

const ANY_CONFIG = `version: 1
images:
  - name: api
    paths: { exclude: ["docs/**"] }
    rules:
      - branch: "**"
        tags: ["{sourceref}", "type=sha"]
      - branch: main
        target: slim
        tags: [latest, slim]
      - semver: "*"
        tags: ["{version}", "{major}", latest]
      - tag: "**"
        push: false
      - pull_request: "**"
        push: true
`;

/** What the hosts' parsers are tested with: `push.new-branch.json`, `repo-push.several.json`. */
function parserPayloads(provider: Provider): readonly Named[] {
  const facts = {
    defaultBranch: "main",
    now: "2026-11-20T10:00:00Z",
    tags: ["v1.0.0", "v3.0.0"],
    changedPaths: ["a.c"],
    installation: { policy: { forks: "test", publishPullRequests: true } },
  };
  return payloadsIn(provider).flatMap((file): Named[] => {
    const word = basename(file).split(".")[0] ?? "";
    const event = provider === "bitbucket" ? word.replace("-", ":") : word;
    const told = { provider, event, payload: json(`${provider}/${file}`), config: ANY_CONFIG, facts };
    return movingOf(told) === null ? [] : [{ ...told, name: `${provider}/${file}` }];
  });
}

type Moving = PushEvent | PullRequestEvent;

/** Null: it moves nothing, or is no payload of its event. */
function movingOf({ provider, event, payload }: Told): Moving | null {
  const parsed = parsers[provider]?.(event, payload, null);
  if (parsed === undefined || !parsed.ok) return null;
  return parsed.event.type === "push" || parsed.event.type === "pull_request" ? parsed.event : null;
}

/** Hashes of which payloads hold the beginning. */
const FULL = "c3f8a960d7214be5098c6e1f3ab57d42e9016c8b";

function statedIn(told: Told) {
  const parsed = parseFacts(JSON.stringify(told.facts));
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.facts;
}

/** A host of which the stated facts are true. */
function hostFrom(told: Told, event: Moving): Host {
  const { defaultBranch = "main", changedPaths, tags } = statedIn(told);
  return {
    ...hostOf([event as HostEvent], {}),
    provider: told.provider,
    look: async () => ok({ kind: "seen", repository: { ...event.repository, defaultBranch } }),
    file: async () => ok({ kind: "file", text: told.config }),
    changedPaths: async () => ok(changedPaths ?? null),
    tags: async () => ok(tags ?? null),
    async head({ source }) {
      const commit = parseSha(source.commit) ?? (FULL.startsWith(source.commit ?? "?") ? parseSha(FULL) : null);
      return ok(commit === null ? null : { commit, message: "", committedAt: null, target: null });
    },
  };
}

interface Stored {
  readonly planned: readonly PlannedBuild[];
  readonly held: readonly HeldBuild[];
  readonly skips: readonly {
    ref: string | null;
    image: string | null;
    rule: string | null;
    reason: string;
    detail: string;
  }[];
}

/** Has a server receive, plan and record the payload; answers what it recorded. */
async function stored(told: Told, event: Moving): Promise<Stored> {
  const { installation, repository } = event;
  const facts = statedIn(told);
  const clock = { now: () => Date.parse(facts.now ?? "2026-11-20T10:00:00Z") };
  const store = await openStore({ url: "sqlite::memory:", clock });
  try {
    const [login = ""] = repository.fullName.split("/");
    const account = { ...installation, login, kind: "organization" } as const;
    const namespace = namespaceFor({ login });
    await store.saveInstallation({ id: installation, account, state: "active", permissions: {} });
    if (namespace !== null) await give(store, account, namespace);
    await store.linkRepositories(installation, [repository], { complete: true });
    await store.setPolicy(installation, (facts.installation?.policy ?? {}) as Partial<Policy>, OPERATOR);
    await store.append([
      delivery("1", { provider: told.provider, event: told.event, installationId: installation.id }),
    ]);
    const { log } = recordingLog();
    const registries = soleRegistry(registryOf());
    const claims = createClaims({ store, registries, policy: { kind: "approve" }, log, onGranted: () => undefined });
    const processor = createProcessor({
      store,
      hosts: [hostFrom(told, event)],
      installations: createInstallations({ store, claims, log }),
      pauses: createPauses(clock),
      clock,
      log,
      write: writeRequest,
      onRecorded: () => undefined,
    });
    expect(await processor.step()).toBe(true);
    const found = await store.findDelivery("1");
    if (found?.outcome !== "planned") throw new Error(`${found?.outcome}: ${found?.note}`);
    const builds = await Promise.all(found.builds.map((id) => store.getBuild(id)));
    const all = builds.flatMap((build) => build ?? []);
    return {
      planned: all.filter(({ state }) => state !== "held").map(({ planned }) => planned),
      held: all.flatMap(({ planned, hold, state }) => (state === "held" && hold ? [{ ...planned, hold }] : [])),
      skips: found.decisions.flatMap(({ ref, image, rule, build, reason, detail }) =>
        reason === null || build !== null ? [] : [{ ref, image, rule, reason, detail }],
      ),
    };
  } finally {
    await store.close();
  }
}

/** What was stored, in the words of `plan --json`. */
function reported({ planned, held, skips }: Stored): Pick<PlanReport, "requests" | "skips"> {
  const plan = { requests: planned, held, skips: [], diagnostics: [], trace: [] };
  const report = planReport({ provider: "github", event: "", repository: null, changes: [], plan });
  return { requests: report.requests, skips: [...report.skips, ...(skips as PlanReport["skips"])] };
}

/** Where the payload abbreviates a hash, a server has asked for all of it: the key, which is made of it, is another. */
function expected(report: PlanReport, server: Pick<PlanReport, "requests">): Pick<PlanReport, "requests" | "skips"> {
  const requests = report.requests.map(({ abbreviated, ...request }, at) => {
    const full = server.requests[at];
    if (abbreviated === undefined || full?.sha.startsWith(request.sha) !== true) return request;
    return {
      ...request,
      key: full.key,
      sha: full.sha,
      tags: request.tags.map((tag) => tag.replace(request.sha, full.sha)),
    };
  });
  return { requests, skips: report.skips };
}

describe.each([
  ["pushes of both hosts", pushes()],
  ["pull requests of both hosts", pulls()],
  ["what GitHub's parser is tested with", parserPayloads("github")],
  ["what Bitbucket's parser is tested with", parserPayloads("bitbucket")],
])("plan --json equals what a server has stored: %s", (_what, all) => {
  it.each(all.map((told) => [told.name, told] as const))("%s", async (_name, told) => {
    const event = movingOf(told);
    if (event === null) throw new Error("moves nothing");
    const report = JSON.parse(await printed(told, true)) as PlanReport;
    const server = reported(await stored(told, event));
    expect(server).toEqual(expected(report, server));
    expect(server.requests.length + server.skips.length).toBeGreaterThan(0);
  });
});

it("compares builds and skips of every kind", async () => {
  const all = [...pushes(), ...pulls()];
  const reports = await Promise.all(all.map(async (told) => JSON.parse(await printed(told, true)) as PlanReport));
  const reasons = new Set(reports.flatMap(({ skips }) => skips.map(({ reason }) => reason)));
  for (const reason of ["no-match", "ref-deleted", "draft", "untrusted-fork", "awaiting-approval", "brake"] as const) {
    expect(reasons).toContain(reason);
  }
  const builds = reports.flatMap(({ requests }) => requests.map(({ push, trust }) => `${push} ${trust}`));
  expect(new Set(builds)).toEqual(new Set(["true trusted", "false trusted", "false untrusted"]));
});
