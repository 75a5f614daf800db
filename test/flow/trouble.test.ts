import { afterEach, describe, expect, it } from "@jest/globals";
import type { BuildContext, BuildEnd } from "../../src/engine/ports.ts";
import type { HostCheckRun, HostInstallation, HostRepository } from "../hosts/github/index.ts";
import { createWorld, digestOf, eventually, type World, type WorldOptions } from "../support/world.ts";

const FILES = {
  Dockerfile: "FROM scratch\n",
  ".wharfinger.yml": "version: 1\nimages:\n  - { name: api, rules: [{ branch: '**' }] }\n",
};
const CHECK_RUNS = "/repos/{owner}/{repo}/check-runs";

let world: World;
let installation: HostInstallation;

async function begin(options: WorldOptions = {}): Promise<HostRepository> {
  // Leases end by the clock, which runs far ahead here, and are renewed in real time: a busy machine would lose them.
  world = await createWorld({ leaseMs: 3_600_000, ...options });
  const acme = world.github.organization("acme");
  const repository = await world.github.repository(acme, "api", { private: true });
  await repository.commit({ message: "Begin", files: { a: "1" } });
  installation = await world.github.install(acme, { repositories: [repository] });
  return repository;
}

afterEach(async () => {
  await world.close();
});

function concluded(repository: HostRepository, sha: string): Promise<HostCheckRun> {
  return eventually("a concluded check", () => {
    // The program waits by the clock; the test hardly does.
    world.clock.advance(500);
    const run = repository.checkRuns(sha).at(-1);
    return run?.conclusion ? run : null;
  });
}

interface ApiBuild {
  readonly id: string;
  readonly state: string;
}

async function builds(): Promise<readonly ApiBuild[]> {
  return (await world.api<{ items: ApiBuild[] }>("/builds")).items;
}

/** A builder that builds only when told to. */
function patientBuilder() {
  const waiting: { context: BuildContext; finish: (end: BuildEnd) => void }[] = [];
  return {
    waiting,
    build(context: BuildContext): Promise<BuildEnd> {
      context.step("build");
      return new Promise((finish) => {
        waiting.push({ context, finish });
        context.signal.addEventListener("abort", () => finish({ kind: "stopped" }));
      });
    },
    finish(index: number): void {
      const one = waiting[index];
      one?.finish({ kind: "built", image: { digest: digestOf(one.context.request.source.sha) } });
    },
  };
}

describe("when GitHub is in trouble", () => {
  it("a check whose creation was answered by a lost connection is not created twice", async () => {
    const repository = await begin();
    world.github.inject({
      match: (call) => call.method === "POST" && call.route === CHECK_RUNS,
      effect: { afterwards: "reset" },
    });
    const { sha } = await world.github.push(repository, { files: FILES });
    const run = await concluded(repository, sha);
    expect(run.conclusion).toBe("success");
    expect(repository.checkRuns(sha)).toHaveLength(1);
  });

  it("a check that met 502 and 429 is shown in the end, and only once", async () => {
    const repository = await begin();
    for (const effect of [{ status: 502 }, { status: 429, headers: { "retry-after": "3" } }]) {
      world.github.inject({ match: (call) => call.route === CHECK_RUNS, effect });
    }
    const { sha } = await world.github.push(repository, { files: FILES });
    expect((await concluded(repository, sha)).conclusion).toBe("success");
    expect(repository.checkRuns(sha)).toHaveLength(1);
  });

  it("a config file that can not be read now is read later, not taken as missing", async () => {
    const repository = await begin();
    world.github.inject({
      match: (call) => call.route === "/repos/{owner}/{repo}/contents/{path}",
      times: 2,
      effect: { status: 503 },
    });
    const { sha } = await world.github.push(repository, { files: FILES });
    await eventually("the delivery is postponed", () =>
      world.lines.some((line) => line.message === "delivery postponed") ? true : null,
    );
    world.clock.advance(60_000);
    await eventually("the build", () => {
      world.clock.advance(5_000);
      return world.built.length > 0 ? true : null;
    });
    expect((await concluded(repository, sha)).conclusion).toBe("success");
  });
});

describe("stopping and starting", () => {
  it("hands a build back that does not finish in time, and builds it after the start", async () => {
    const builder = patientBuilder();
    const repository = await begin({ build: builder.build });
    const { sha } = await world.github.push(repository, { files: FILES });
    await eventually("the build runs", () => (builder.waiting.length === 1 ? true : null));
    await world.restart();
    await eventually("it runs again", () => (builder.waiting.length === 2 ? true : null));
    expect(builder.waiting[0]?.context.signal.reason).toBe("shutdown");
    builder.finish(1);
    expect((await concluded(repository, sha)).conclusion).toBe("success");
    expect((await builds()).map((build) => build.state)).toEqual(["succeeded"]);
  });

  it("shows after the start what could not be shown before the stop", async () => {
    const repository = await begin();
    world.github.inject({
      match: (call) => call.route?.includes("check-runs") ?? false,
      times: 6,
      effect: { status: 503 },
    });
    const { sha } = await world.github.push(repository, { files: FILES });
    await eventually("the build ended", async () => ((await builds())[0]?.state === "succeeded" ? true : null));
    await world.restart();
    expect((await concluded(repository, sha)).conclusion).toBe("success");
  });
});

describe("builds", () => {
  it("a newer push supersedes a queued build of the same branch, and both commits are told", async () => {
    const builder = patientBuilder();
    const repository = await begin({ build: builder.build, concurrency: 1 });
    const first = await world.github.push(repository, { files: FILES });
    await eventually("the first runs", () => (builder.waiting.length === 1 ? true : null));
    const second = await world.github.push(repository, { files: { a: "2" } });
    const third = await world.github.push(repository, { files: { a: "3" } });
    await eventually("three builds", async () => ((await builds()).length === 3 ? true : null));
    builder.finish(0);
    await eventually("the third runs", () => (builder.waiting.length === 2 ? true : null));
    builder.finish(1);
    await concluded(repository, third.sha);
    expect(builder.waiting[1]?.context.request.source.sha).toBe(third.sha);
    expect((await builds()).map((build) => build.state)).toEqual(["succeeded", "superseded", "succeeded"]);
    expect((await concluded(repository, first.sha)).conclusion).toBe("success");
    expect((await concluded(repository, second.sha)).conclusion).not.toBe("success");
  });

  it("a builder that throws fails that build with a sentence, and the next build still runs", async () => {
    let calls = 0;
    const repository = await begin({
      async build(context) {
        calls += 1;
        if (calls === 1) throw new Error("a bug with a secret in it");
        return { kind: "built", image: { digest: digestOf(context.request.source.sha) } };
      },
    });
    const first = await world.github.push(repository, { files: FILES });
    const run = await concluded(repository, first.sha);
    expect(run.conclusion).toBe("failure");
    expect(`${run.output.summary}${run.output.text}`).not.toContain("a bug with a secret");
    const second = await world.github.push(repository, { files: { a: "2" } });
    expect((await concluded(repository, second.sha)).conclusion).toBe("success");
  });

  it("one that the outside failed is tried again before it is called failed", async () => {
    let calls = 0;
    const repository = await begin({
      async build(context) {
        calls += 1;
        if (calls === 1) {
          return { kind: "failed", failure: { class: "push", message: "The registry is away." }, retryable: true };
        }
        return { kind: "built", image: { digest: digestOf(context.request.source.sha) } };
      },
    });
    const { sha } = await world.github.push(repository, { files: FILES });
    expect((await concluded(repository, sha)).conclusion).toBe("success");
    expect(calls).toBe(2);
  });

  it("suspending the installation cancels what runs", async () => {
    const builder = patientBuilder();
    const repository = await begin({ build: builder.build, leaseMs: 300 });
    await world.github.push(repository, { files: FILES });
    await eventually("the build runs", () => (builder.waiting.length === 1 ? true : null));
    await world.github.suspend(installation);
    await eventually("the build is stopped", () => (builder.waiting[0]?.context.signal.aborted ? true : null));
    await eventually("it is canceled", async () => ((await builds())[0]?.state === "canceled" ? true : null));
  });
});
