/** What every parser of a host's payloads promises, shown by its golden files and by what becomes of them when broken. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import type { HostEvent, ParseResult, PushEvent } from "../../src/core/events.ts";
import { type HostId, type Provider, parseSha, type RefChange } from "../../src/core/model.ts";
import { CANARY, createRandom, mutate } from "../support/mutate.ts";

export interface ParserWorld {
  readonly provider: Provider;
  /** Holds `<event>.<case>.json`, with a hyphen for the event's colon, and beside each its golden file. */
  readonly folder: string;
  /** As for a delivery of which nothing is known but the host it came from. */
  parse(event: string, payload: unknown, host: string): ParseResult;
  /** How ids look, once they are ours. */
  readonly id: RegExp;
  /** Names of other hosts' events, or of nobody's. */
  readonly foreign: readonly string[];
}

export interface Fixture {
  readonly name: string;
  readonly event: string;
  readonly text: string;
}

export function readFixtures(folder: string): readonly Fixture[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json") && !name.endsWith(".golden.json"))
    .map((name) => ({
      name: name.slice(0, -".json".length),
      event: name.split(".")[0]?.replace("-", ":") ?? "",
      text: readFileSync(join(folder, name), "utf8"),
    }));
}

const ODD: readonly unknown[] = [undefined, null, 0, "", "text", [], [{}], () => 1, Symbol("x"), 10n, new Date(0)];
const THIN: readonly unknown[] = [{}, { action: 1 }, { action: "created" }, { repository: null }, { data: {} }];

export function describeParser({ provider, folder, parse, id, foreign }: ParserWorld): void {
  const fixtures = readFixtures(folder);
  const events = [...new Set(fixtures.map(({ event }) => event))];
  const host = "default";

  describe(`the parser of ${provider}'s payloads`, () => {
    it.each(fixtures)("makes of $name what its golden file says", ({ name, event, text }) => {
      const result = parse(event, JSON.parse(text), host);
      const golden = join(folder, `${name}.golden.json`);
      if (process.env["UPDATE_GOLDEN"]) writeFileSync(golden, `${JSON.stringify(result, null, 2)}\n`);
      expect(result).toStrictEqual(JSON.parse(readFileSync(golden, "utf8")));
      expect(flaws(result, { provider, host, id })).toEqual([]);
    });

    it("names the repository of every event that has one", () => {
      const about = fixtures.filter(({ text }) => text.includes('"full_name"'));
      for (const { name, event, text } of about) {
        const result = parse(event, JSON.parse(text), host);
        if (!result.ok || result.event.type === "installation" || result.event.type === "repositories") continue;
        expect([name, "repository" in result.event]).toEqual([name, true]);
      }
      expect(about.length).toBeGreaterThan(10);
    });

    it("gives identities to the host they are of", () => {
      for (const { event, text } of fixtures) {
        const result = parse(event, JSON.parse(text), "elsewhere");
        expect(flaws(result, { provider, host: "elsewhere", id })).toEqual([]);
      }
    });

    it("answers for anything at all", () => {
      for (const event of [...events, "", "x"]) {
        for (const payload of [...ODD, ...THIN]) {
          expect(flaws(parse(event, payload, host), { provider, host, id })).toEqual([]);
        }
      }
    });

    it("takes nothing but objects, whatever the event", () => {
      for (const event of [...events, foreign.includes("star") ? "repo:star" : "star"]) {
        for (const payload of [null, [], "text", 3]) expect(parse(event, payload, host)).toMatchObject({ ok: false });
      }
    });

    it.each([...foreign, "", "Push", "push ", "push\n", "__proto__", "x".repeat(101)])("knows no event %j", (event) => {
      const message = expect.stringMatching(/^Not the name of an? \w+ event\.$/);
      expect(parse(event, {}, host)).toEqual({ ok: false, message });
    });

    it("answers soundly for 5,000 broken variants of what it understands", () => {
      const good = fixtures.filter(({ event, text }) => parse(event, JSON.parse(text), host).ok);
      const random = createRandom(20_261_120);
      let usable = 0;
      for (let round = 0; round < 5_000; round += 1) {
        const fixture = good[round % good.length];
        if (fixture === undefined) throw new Error("There are no fixtures.");
        const payload = mutate(JSON.parse(fixture.text), random);
        const text = JSON.stringify(payload);
        const result = parse(fixture.event, payload, host);
        const found = flaws(result, { provider, host, id });
        if (found.length > 0) throw new Error(`${found.join("; ")}: ${fixture.event} ${text}`);
        // The same again, and nothing was written to.
        expect(parse(fixture.event, payload, host)).toStrictEqual(result);
        expect(JSON.stringify(payload)).toBe(text);
        usable += result.ok ? 1 : 0;
      }
      // The variants must reach past the first field, on both sides.
      expect(usable).toBeGreaterThan(500);
      expect(usable).toBeLessThan(4_900);
      expect(Object.keys(Object.prototype)).toEqual([]);
    });
  });
}

type Identity = Pick<HostId, "provider" | "host"> & { readonly id: RegExp };

/** All words of an event, by its type. What a host calls something else has no place here. */
const WORDS: Readonly<Record<HostEvent["type"], readonly string[]>> = {
  push: ["type", "repository", "installation", "actor", "changes", "unusable"],
  pull_request: [
    ...["type", "action", "repository", "installation", "number"],
    ...["source", "target", "checkout", "fork", "draft", "queued", "actor"],
  ],
  installation: ["type", "action", "installation", "account", "permissions", "repositories", "actor"],
  repositories: ["type", "installation", "account", "added", "removed", "actor"],
  repository: ["type", "action", "repository", "installation", "actor"],
  rerun: ["type", "repository", "installation", "sha", "check", "actor"],
  approval: ["type", "repository", "installation", "sha", "check", "actor"],
  person: ["type", "action", "person"],
  ignored: ["type", "reason", "detail", "repository"],
};

/** Words of the values in events; `permissions` has the host's own. */
const INNER: ReadonlySet<string> = new Set([
  ...["provider", "host", "id", "fullName", "private", "defaultBranch", "cloneUrl", "webUrl", "login", "kind"],
  ...["ref", "name", "before", "after", "commit", "forced", "message", "repository", "branch"],
  ...["committedAt", "baseBranch", "anonymous"],
]);

/** What is wrong with a result, in words; empty: nothing. */
function flaws(result: ParseResult, identity: Identity): string[] {
  if (!result.ok) {
    const { message } = result;
    const clean = /^[ -~]{1,300}$/.test(message) && !message.includes(CANARY.slice(0, 6));
    return clean ? [] : [`the message ${JSON.stringify(message)} is unfit to be shown`];
  }
  const { event } = result;
  const found = Object.keys(event).filter((key) => !WORDS[event.type].includes(key));
  if (JSON.stringify(JSON.parse(JSON.stringify(event))) !== JSON.stringify(event)) found.push("no plain data");
  walk(event, (key, value) => {
    if (value === undefined) found.push(`${key} is undefined`);
    if (!isObject(value)) return;
    if ("provider" in value) found.push(...identityFlaws(key, value, identity));
    if ("login" in value && !/^.{1,255}$/s.test(String(value["login"]))) found.push(`${key}.login`);
    if (key === "actor" && !identity.id.test(String(value["id"]))) found.push("actor.id");
    if (key !== "permissions") found.push(...Object.keys(value).filter((inner) => !INNER.has(inner)));
  });
  return [...found, ...eventFlaws(event)];
}

/** Every value inside, with the key that leads to it; items of lists have the list's. */
function walk(value: object, visit: (key: string, value: unknown) => void): void {
  for (const [key, inner] of Object.entries(value)) {
    for (const item of Array.isArray(inner) ? inner : [inner]) {
      visit(key, item);
      if (isObject(item)) walk(item, visit);
    }
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function identityFlaws(key: string, value: Record<string, unknown>, identity: Identity): string[] {
  const { provider, host, id, fullName, cloneUrl, webUrl } = value;
  const found: string[] = [];
  if (provider !== identity.provider || host !== identity.host) found.push(`${key} is of another host`);
  if (typeof id !== "string" || !identity.id.test(id)) found.push(`${key}.id`);
  if ("fullName" in value && !/^(?!\.\.?\/)[\w.-]+\/(?!\.\.?$)[\w.-]+$/.test(String(fullName))) {
    found.push(`${key}.fullName`);
  }
  for (const address of [cloneUrl, webUrl]) {
    if (address !== undefined && !/^https?:\/\/[^/@\s]+\//.test(String(address))) found.push(`${key}: ${address}`);
  }
  return found;
}

function eventFlaws(event: HostEvent): string[] {
  switch (event.type) {
    case "push":
      return pushFlaws(event);
    case "pull_request": {
      const { source, target, repository, fork, number } = event;
      const strange = source.repository === null || source.repository.id !== repository.id;
      return [
        ...(fork === strange ? [] : ["fork"]),
        ...(Number.isSafeInteger(number) && number > 0 ? [] : ["number"]),
        ...[source, target].filter(({ branch }) => !isRefName(branch)).map(({ branch }) => `branch ${branch}`),
        ...[source, target]
          .filter(({ commit }) => commit !== null && !/^[0-9a-f]{7,64}$/.test(commit))
          .map(({ commit }) => `commit ${commit}`),
      ];
    }
    case "rerun":
      return parseSha(event.sha) === event.sha ? [] : ["sha"];
    case "ignored":
      return /^[^\p{Cc}]{5,200}$/u.test(event.detail) ? [] : [`detail ${event.detail}`];
    default:
      return [];
  }
}

function pushFlaws({ changes, unusable }: PushEvent): string[] {
  return [
    ...changes.flatMap(changeFlaws),
    ...(unusable ?? []).flatMap(refFlaws),
    ...(unusable?.length === 0 ? ["unusable is empty, not left out"] : []),
  ];
}

function refFlaws({ kind, ref, name }: Pick<RefChange, "kind" | "ref" | "name">): string[] {
  const sound = ref === `refs/${kind === "branch" ? "heads" : "tags"}/${name}` && isRefName(name);
  return sound ? [] : [`${kind} ${JSON.stringify(name)} as ${JSON.stringify(ref)}`];
}

function isRefName(name: string): boolean {
  return name !== "" && [...name].every((letter) => letter > " " && letter !== "\u007f");
}

function changeFlaws(change: RefChange): string[] {
  const { kind, before, after, commit, message } = change;
  const rules: readonly (readonly [string, boolean])[] = [
    ["something moved", before !== null || after !== null],
    ["hashes are full", [before, after, commit].every((hash) => hash === null || parseSha(hash) === hash)],
    ["what is there has a commit, and what is gone none", (after === null) === (commit === null)],
    ["a branch is at its commit", kind === "tag" || commit === after],
    ["what is gone says nothing", after !== null || message === ""],
  ];
  return [...refFlaws(change), ...rules.filter(([, holds]) => !holds).map(([rule]) => `not true: ${rule}`)];
}
