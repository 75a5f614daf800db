import { describe, expect, it } from "@jest/globals";
import type { Build } from "../../src/core/model.ts";
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
