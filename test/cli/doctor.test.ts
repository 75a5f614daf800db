import { describe, expect, it } from "@jest/globals";
import type { DoctorCheck } from "../../src/cli/parts.ts";
import { run } from "./world.ts";

const database: DoctorCheck = {
  name: "database",
  run: () => Promise.resolve({ ok: true, detail: "can be written to", todo: "" }),
};
const registry: DoctorCheck = {
  name: "registry",
  run: () => Promise.resolve({ ok: false, detail: "401 for w", todo: "check REGISTRY_PASSWORD\ncheck the user" }),
};

describe("doctor", () => {
  it("says that all is well, aligned, and answers 0", async () => {
    expect(await run(["doctor"], { checks: () => [database] })).toEqual({
      code: 0,
      out: "ok       configuration  complete\nok       database       can be written to\n\nAll is well.\n",
      err: "",
    });
  });

  it("says of each problem what to do, step by step, and answers 1", async () => {
    const { code, out } = await run(["doctor"], { checks: () => [database, registry] });
    expect(code).toBe(1);
    expect(out).toContain(
      "problem  registry       401 for w\n" +
        "                        → check REGISTRY_PASSWORD\n" +
        "                        → check the user\n" +
        "\n1 problem.\n",
    );
  });

  it("prints one JSON object with --json", async () => {
    const { code, out } = await run(["doctor", "--json"], { checks: () => [registry] }, true);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toEqual({
      ok: false,
      checks: [
        { name: "configuration", ok: true, detail: "complete", todo: null },
        { name: "registry", ok: false, detail: "401 for w", todo: "check REGISTRY_PASSWORD\ncheck the user" },
      ],
    });
  });

  it("reports problems of the configuration, and still tries what can be tried", async () => {
    const problem = { variable: "APP_ID", wrong: "is not set", todo: "copy it" };
    const { code, out } = await run(["doctor"], { startProblems: () => [problem], checks: () => [database] });
    expect(code).toBe(1);
    expect(out).toContain("problem  APP_ID    is not set\n                   → copy it\n");
    expect(out).toContain("ok       database  can be written to\n");
  });

  it("tries nothing when the configuration can not be read, and says all that is wrong with it", async () => {
    const problems = ["PORT", "HOST"].map((variable) => ({ variable, wrong: "is wrong", todo: "mend it" }));
    const checks = () => {
      throw new Error("must not be asked");
    };
    const { code, out } = await run(["doctor"], { config: () => ({ ok: false, problems }), checks });
    expect([code, out]).toEqual([1, expect.stringContaining("2 problems.")]);
  });

  it("takes a check that throws for a problem, and goes on", async () => {
    const broken: DoctorCheck = { name: "builder", run: () => Promise.reject(new Error("no buildah here")) };
    const { code, out } = await run(["doctor"], { checks: () => [broken, database] });
    expect(code).toBe(1);
    expect(out).toContain("builder        no buildah here");
    expect(out).toContain("database       can be written to");
  });

  it("colours the marks on a terminal only", async () => {
    const check = { checks: () => [database] };
    expect((await run(["doctor"], check, true)).out).toContain("\u001b[32mok     \u001b[0m");
    expect((await run(["doctor"], check, false)).out).not.toContain("\u001b");
  });
});
