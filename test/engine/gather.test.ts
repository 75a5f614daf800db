import { describe, expect, it } from "@jest/globals";
import { failed, type Outcome, ok } from "../../src/core/model.ts";
import { gather, type Standing } from "../../src/engine/gather.ts";
import type { Host } from "../../src/engine/ports.ts";
import { change } from "../contract/store.samples.ts";
import { hostOf, INSTALLATION, PUSH } from "./fakes.ts";

const WITH_PATHS = `
version: 1
images:
  - name: api
    paths: { include: ["services/api/**"] }
    rules: [{ branch: main, tags: [latest] }]
`;
const STANDING: Standing = { installation: INSTALLATION, link: "linked", attempts: 1 };
const MOVED = change("a", "b");

/** A host that notes down what it was asked. */
function askedHost(more: Partial<Host> = {}) {
  const asked: string[] = [];
  const host = hostOf([], { file: async () => ok({ kind: "file", text: WITH_PATHS }), ...more });
  return {
    asked,
    host: {
      file: (...args: Parameters<Host["file"]>) => {
        asked.push("file");
        return host.file(...args);
      },
      changedPaths: (...args: Parameters<Host["changedPaths"]>) => {
        asked.push("paths");
        return host.changedPaths(...args);
      },
      tags: (...args: Parameters<Host["tags"]>) => {
        asked.push("tags");
        return host.tags(...args);
      },
    },
  };
}

describe("gathering facts", () => {
  it.each<[string, Partial<Host>, Partial<Standing>, readonly string[]]>([
    ["a file that asks for paths", {}, {}, ["file", "paths"]],
    [
      "a file that asks for nothing more",
      { file: async () => ok({ kind: "file", text: WITH_PATHS.replace(/ +paths.*\n/, "") }) },
      {},
      ["file"],
    ],
    ["a broken file", { file: async () => ok({ kind: "file", text: "version: [" }) }, {}, ["file"]],
    ["no file", { file: async () => ok({ kind: "missing", hint: null }) }, {}, ["file"]],
    ["a commit that is gone", { file: async () => ok({ kind: "gone" }) }, {}, ["file"]],
    ["an installation nobody knows", {}, { installation: null }, []],
    ["one that is suspended", {}, { installation: { ...INSTALLATION, state: "suspended" } }, []],
    ["a repository that is not linked", {}, { link: "unlinked" }, []],
  ])("costs the calls it needs: %s", async (_what, more, standing, expected) => {
    const { host, asked } = askedHost(more);
    expect(await gather(host, PUSH, MOVED, { ...STANDING, ...standing })).toMatchObject({ ok: true });
    expect(asked).toEqual(expected);
  });

  it("asks nothing about a ref that was deleted", async () => {
    const { host, asked } = askedHost();
    await gather(host, PUSH, { ...MOVED, after: null, commit: null }, STANDING);
    expect(asked).toEqual([]);
  });

  const AWAY = failed("502", { retryable: true });
  const LIMITED = failed("429", { retryable: true, retryAfter: 60 });
  const REFUSED = failed("422", { retryable: false });

  it.each<[string, Outcome<never>, number, Outcome<unknown> | null]>([
    ["waits while the host may yet compare", AWAY, 5, AWAY],
    ["builds where the host never can", AWAY, 6, null],
    ["waits for a host that limits us, however often", LIMITED, 50, LIMITED],
    ["builds where the host will not", REFUSED, 1, null],
  ])("%s", async (_what, answer, attempts, expected) => {
    const { host } = askedHost({ changedPaths: async () => answer });
    const gathered = await gather(host, PUSH, MOVED, { ...STANDING, attempts });
    if (expected === null) expect(gathered).toMatchObject({ ok: true, value: { changedPaths: null } });
    else expect(gathered).toEqual(expected);
  });

  it("waits for the file, however often it was asked for: what it says is never guessed", async () => {
    const { host } = askedHost({ file: async () => AWAY });
    expect(await gather(host, PUSH, MOVED, { ...STANDING, attempts: 50 })).toEqual(AWAY);
  });
});
