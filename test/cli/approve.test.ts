import { describe, expect, it } from "@jest/globals";
import type { Build } from "../../src/core/model.ts";
import type { Authorization } from "../../src/engine/authorize.ts";
import { aBuild } from "../web/world.ts";
import { noStore, run } from "./world.ts";

const HELD = aBuild({ state: "held", hold: { reason: "brake", detail: "Too many." } });

async function approve(build: Build, released: readonly string[], ...args: string[]) {
  const asked: unknown[] = [];
  const openStore = async () => ({
    ...noStore,
    getBuild: async (id: string) => (id === build.id ? build : null),
    approveBuild: async (id: string, actor: unknown) => {
      asked.push([id, actor]);
      return released;
    },
  });
  return { ...(await run(["approve", ...args], { openStore })), asked };
}

describe("approve", () => {
  it("lets a held build run as the operator, and names what runs with it", async () => {
    expect(await approve(HELD, ["b1", "b2", "b3"], "b1")).toEqual({
      code: 0,
      out: "approved  b1\nwith it   b2, b3\n",
      err: "",
      asked: [["b1", { kind: "operator" }]],
    });
    expect((await approve(HELD, ["b1"], "b1")).out).toBe("approved  b1\n");
  });

  it("prints one JSON object", async () => {
    expect(JSON.parse((await approve(HELD, ["b1", "b2"], "b1", "--json")).out)).toEqual({ builds: ["b1", "b2"] });
  });

  it("answers 1 to a build nobody knows, and asks for nothing", async () => {
    const { code, out, err, asked } = await approve(HELD, ["b1"], "b\u001b[2J9");
    expect([code, out, asked]).toEqual([1, "", []]);
    expect(err).toContain('approve: "b\\u001b[2J9": There is no such build here.');
  });

  it("answers 1 with the reason where the build is not held", async () => {
    const evil = { actor: { id: "5", login: "ann\u001b[2J\nfake" }, at: "2026-11-20T12:00:00Z" };
    const never = await approve(aBuild(), [], "b1", "--json");
    expect(never).toMatchObject({ code: 1, out: "", err: expect.stringContaining("never held") });
    const late = await approve(aBuild({ ...HELD, state: "running", approval: evil }), [], "b1");
    expect(late.err).toBe('approve: "b1": The build was approved already, by ann fake at 2026-11-20T12:00:00Z.\n');
  });
});

describe("approve for somebody", () => {
  async function approveAs(authorization: Authorization, ...args: string[]) {
    const calls: unknown[] = [];
    const openStore = async () => ({
      ...noStore,
      getBuild: async (id: string) => (id === HELD.id ? HELD : null),
      approveBuild: async (id: string, by: unknown) => {
        calls.push(["approved", id, by]);
        return [id];
      },
    });
    const openAuthorizer = async () => ({
      may: async (...question: unknown[]) => {
        calls.push(["asked", ...question]);
        return authorization;
      },
      close: async () => void calls.push(["closed"]),
    });
    return { ...(await run(["approve", "b1", ...args], { openStore, openAuthorizer })), calls };
  }

  it("asks their host first, approves in their name, and leaves nothing open", async () => {
    const actor = { id: "583231", login: "octocat" };
    const { code, out, calls } = await approveAs({ kind: "allowed" }, "--actor", "583231:octocat");
    expect([code, out]).toEqual([0, "approved  b1\n"]);
    expect(calls).toEqual([
      ["asked", actor, "build.approve", { installation: HELD.installation, repository: HELD.repository }],
      ["approved", "b1", { kind: "person", provider: "github", host: "default", actor }],
      ["closed"],
    ]);
  });

  it.each<Authorization>([
    { kind: "refused", why: "octocat may not." },
    { kind: "unknown", why: "GitHub is away.", retryable: true, retryAfter: null },
  ])("answers 1 and approves nothing where they may not, or nobody knows: %j", async (authorization) => {
    const { code, out, err, calls } = await approveAs(authorization, "--actor", "583231:octocat");
    expect([code, out]).toEqual([1, ""]);
    expect(err).toBe(`approve: "b1": ${authorization.kind === "allowed" ? "" : authorization.why}\n`);
    expect(calls.map((call) => (call as string[])[0])).toEqual(["asked", "closed"]);
  });

  it.each(["octocat", ":octocat", "583231:", ""])(
    "does not take %j for a person, nor for the operator",
    async (actor) => {
      const { code, err, calls } = await approveAs({ kind: "allowed" }, "--actor", actor);
      expect([code, calls]).toEqual([2, []]);
      expect(err).toContain("is not ID:LOGIN, as 583231:octocat");
    },
  );
});
