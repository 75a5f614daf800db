import { describe, expect, it } from "@jest/globals";
import { failed, ok } from "../../src/core/model.ts";
import type { HostRole } from "../../src/core/roles.ts";
import { withMemory } from "../../src/engine/memory.ts";
import type { FetchedFile, Host } from "../../src/engine/ports.ts";
import { change, installationId, pull, repository, sha } from "../contract/store.samples.ts";
import { hostOf, PULL } from "./fakes.ts";

const FILE = ".wharfinger.yml";
const API = repository("1");

function counting(answers: Partial<Host>): { readonly host: Host; readonly asked: string[] } {
  const asked: string[] = [];
  const host = hostOf([], {
    file: async (installation, of, at, path) => {
      asked.push(`file ${typeof at === "string" ? at.slice(0, 4) : at.branch}`);
      return answers.file?.(installation, of, at, path) ?? ok({ kind: "file", text: "x".repeat(100) });
    },
    changedPaths: async (installation, of, moved) => {
      asked.push(`paths ${moved.before?.slice(0, 4)} ${moved.after?.slice(0, 4)}`);
      return answers.changedPaths?.(installation, of, moved) ?? ok(["a", "b"]);
    },
  });
  return { host, asked };
}

describe("a host with a memory", () => {
  it("is asked once for a file at a commit, and once for the paths between two", async () => {
    const { host, asked } = counting({});
    const memory = withMemory(host);
    const moved = change("one", "two");
    for (let n = 0; n < 3; n += 1) {
      expect(await memory.file(installationId("7"), API, sha("one"), FILE)).toMatchObject({ value: { kind: "file" } });
      expect(await memory.changedPaths(installationId("7"), API, moved)).toEqual(ok(["a", "b"]));
    }
    expect(asked).toHaveLength(2);
  });

  it("is asked again for a branch, which moves, and for what a new branch is compared with", async () => {
    const { host, asked } = counting({});
    const memory = withMemory(host);
    for (let n = 0; n < 2; n += 1) {
      await memory.file(installationId("7"), API, { branch: "main" }, FILE);
      await memory.changedPaths(installationId("7"), API, change(null, "two"));
    }
    expect(asked).toHaveLength(4);
  });

  it("is asked again for whatever a pull request is by then, and each time for what somebody may do", async () => {
    const asked: string[] = [];
    let may: HostRole = "write";
    const memory = withMemory(
      hostOf([], {
        async head() {
          asked.push("head");
          return ok(null);
        },
        async role() {
          asked.push("role");
          return ok(may);
        },
        async changedPaths() {
          asked.push("paths");
          return ok(["a"]);
        },
      }),
    );
    const moved = { ...pull(3, "two", { targetCommit: sha("main") }), before: sha("one") };
    for (let n = 0; n < 2; n += 1) {
      await memory.head(PULL);
      await memory.changedPaths(installationId("7"), API, moved);
    }
    expect(await memory.role(installationId("7"), API, { id: "42", login: "ann" })).toEqual(ok("write"));
    may = "none";
    expect(await memory.role(installationId("7"), API, { id: "42", login: "ann" })).toEqual(ok("none"));
    expect(asked).toEqual(["head", "paths", "head", "paths", "role", "role"]);
  });

  it("keeps repositories, installations, commits and paths apart", async () => {
    const { host, asked } = counting({});
    const memory = withMemory(host);
    await memory.file(installationId("7"), API, sha("one"), FILE);
    await memory.file(installationId("8"), API, sha("one"), FILE);
    await memory.file(installationId("7"), repository("2"), sha("one"), FILE);
    await memory.file(installationId("7"), { ...API, host: "ghes" }, sha("one"), FILE);
    await memory.file(installationId("7"), API, sha("two"), FILE);
    await memory.file(installationId("7"), API, sha("one"), "other.yml");
    await memory.changedPaths(installationId("7"), API, change("one", "two"));
    await memory.changedPaths(installationId("7"), API, { ...change("one", "two"), forced: true });
    expect(asked).toHaveLength(8);
  });

  it.each<[string, FetchedFile]>([
    ["missing", { kind: "missing", hint: null }],
    ["gone", { kind: "gone" }],
    ["unreadable", { kind: "unreadable", why: "it is a folder" }],
  ])("does not keep that a file is %s: it may be there in a moment", async (_, answer) => {
    const { host, asked } = counting({ file: async () => ok(answer) });
    const memory = withMemory(host);
    await memory.file(installationId("7"), API, sha("one"), FILE);
    expect(await memory.file(installationId("7"), API, sha("one"), FILE)).toEqual(ok(answer));
    expect(asked).toHaveLength(2);
  });

  it("keeps neither failures nor that paths are not known", async () => {
    const away = failed("away", { retryable: true });
    const { host, asked } = counting({ file: async () => away, changedPaths: async () => ok(null) });
    const memory = withMemory(host);
    for (let n = 0; n < 2; n += 1) {
      expect(await memory.file(installationId("7"), API, sha("one"), FILE)).toEqual(away);
      expect(await memory.changedPaths(installationId("7"), API, change("one", "two"))).toEqual(ok(null));
    }
    expect(asked).toHaveLength(4);
  });

  it("forgets what was used longest ago when there is too much, and nothing of what is used", async () => {
    const { host, asked } = counting({});
    const memory = withMemory(host, 1_000);
    for (const name of ["a", "b", "c"]) await memory.file(installationId("7"), API, sha(name), FILE);
    await memory.file(installationId("7"), API, sha("a"), FILE);
    for (const name of ["d", "e"]) await memory.file(installationId("7"), API, sha(name), FILE);
    asked.length = 0;
    await memory.file(installationId("7"), API, sha("e"), FILE);
    expect(asked).toEqual([]);
    await memory.file(installationId("7"), API, sha("b"), FILE);
    expect(asked).toHaveLength(1);
  });

  it("does not keep one answer that is larger than all it may hold", async () => {
    const { host, asked } = counting({});
    const memory = withMemory(host, 50);
    await memory.file(installationId("7"), API, sha("one"), FILE);
    await memory.file(installationId("7"), API, sha("one"), FILE);
    expect(asked).toHaveLength(2);
  });
});
