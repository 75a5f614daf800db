import { describe, expect, it } from "@jest/globals";
import type { OpenNotices } from "../../src/cli/notify.ts";
import type { NoticeTarget } from "../../src/engine/notices-port.ts";
import { installation } from "../web/world.ts";
import { run } from "./world.ts";

const TARGET: NoticeTarget = {
  id: "t1",
  installation: { provider: "github", host: "default", id: "7" },
  kind: "email",
  shown: "team@acme.example",
  events: ["failed", "fixed"],
  by: { kind: "operator" },
  madeAt: "2026-11-20T10:00:00.000Z",
  toldAt: null,
  problem: null,
};

function having(more: Partial<OpenNotices> = {}) {
  const asked: unknown[] = [];
  const desk: OpenNotices = {
    listInstallations: async () => ({ items: [installation], next: null }),
    async add(wanted) {
      asked.push(wanted);
      return { kind: "added", target: { ...TARGET, kind: wanted.kind, events: wanted.events } };
    },
    list: async () => [TARGET],
    remove: async (_installation, id) => id === "t1",
    test: async (_installation, id) => (id === "t1" ? { ok: true } : null),
    close: async () => undefined,
    ...more,
  };
  return { parts: { openNotices: async () => desk }, asked };
}

describe("notify", () => {
  it("lists who is told, and why somebody was not", async () => {
    const problem = { at: "2026-11-20T11:00:00.000Z", why: "The mail server answered 550." };
    const { parts } = having({ list: async () => [TARGET, { ...TARGET, id: "t2", problem }] });
    expect(await run(["notify", "list", "acme"], parts)).toEqual({
      code: 0,
      out:
        "t1  email  team@acme.example  failed,fixed  nothing told yet\n" +
        "t2  email  team@acme.example  failed,fixed  nothing told yet  given up 2026-11-20T11:00Z: The mail server answered 550.\n",
      err: "",
    });
    const nobody = await run(["notify", "list", "acme"], having({ list: async () => [] }).parts);
    expect(nobody.out).toContain("Nobody is told of acme's builds.");
  });

  it("adds an e-mail address, with how to try it", async () => {
    const { parts, asked } = having();
    const ran = await run(["notify", "add", "acme", "--email", "team@acme.example", "--on", "failed"], parts);
    expect([ran.code, ran.err]).toEqual([0, ""]);
    expect(ran.out).toContain("Try it: wharfinger notify test acme t1");
    expect(asked).toMatchObject([{ kind: "email", address: "team@acme.example", events: ["failed"] }]);
  });

  it("reads the address of a webhook where no list of processes shows it", async () => {
    const { parts, asked } = having();
    const stdin = async () => "https://hooks.example/secret\n";
    const ran = await run(["notify", "add", "acme", "--webhook"], parts, false, { stdin });
    expect(ran.code).toBe(0);
    expect(asked).toMatchObject([{ kind: "webhook", address: "https://hooks.example/secret" }]);
    expect(ran.out + ran.err).not.toContain("secret");
  });

  it.each([
    [["add", "acme"], "notify: give either --email ADDRESS or --webhook\n"],
    [["add", "acme", "--webhook", "--email", "a@b"], "notify: give either --email ADDRESS or --webhook\n"],
    [["add", "acme", "--email", "a@b", "--on", "broken"], 'notify: --on: "broken" is none of failed, fixed.\n'],
  ])("refuses what is misspelled: %j", async (argv, err) => {
    const { parts, asked } = having();
    expect(await run(["notify", ...argv], parts)).toEqual({ code: 2, out: "", err });
    expect(asked).toEqual([]);
  });

  it("says what there is not, and what was not taken", async () => {
    const { parts } = having({ test: async () => ({ ok: false, why: "The address answered 404." }) });
    expect(await run(["notify", "list", "other"], parts)).toMatchObject({ code: 1 });
    expect(await run(["notify", "remove", "acme", "t9"], parts)).toMatchObject({ code: 1 });
    expect(await run(["notify", "test", "acme", "t1"], parts)).toMatchObject({
      code: 1,
      err: "notify: The address answered 404.\n",
    });
    expect(await run(["notify", "remove", "acme", "t1"], parts)).toMatchObject({ code: 0, out: "removed\n" });
  });
});
