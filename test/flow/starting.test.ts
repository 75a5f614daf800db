/** Builds that somebody starts, repeats and cancels on GitHub, from the request to the image. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { BuildEnd } from "../../src/engine/ports.ts";
import { deferred } from "../engine/fakes.ts";
import type { HostAccount, HostInstallation, HostRepository } from "../hosts/github/index.ts";
import { type ApiBuild, builds, post, startBuild, untilBuild } from "../support/starting.ts";
import { createWorld, digestOf, eventually, type World } from "../support/world.ts";

const CONFIG = `version: 1
images:
  - name: api
    paths: { include: ["src/**"] }
    rules:
      - branch: main
        tags: [latest, "sha-{sha7}"]
      - branch: "release/*"
        tags: ["{branch}"]
      - semver: ">=1.0.0"
        tags: ["{version}"]
  - name: worker
    rules: [{ branch: main, tags: [latest] }]
`;

let world: World;
let acme: HostAccount;
let repository: HostRepository;
let installation: HostInstallation;
/** What the next builds come to, by image; left out: they succeed. */
let ends: Map<string, () => Promise<BuildEnd>>;

beforeEach(async () => {
  ends = new Map();
  world = await createWorld({
    async build({ request }) {
      const end = ends.get(request.image.name);
      if (end !== undefined) return end();
      return { kind: "built", image: { digest: digestOf(request.source.sha) } };
    },
  });
  acme = world.github.organization("acme");
  repository = await world.github.repository(acme, "api", { private: true });
  await repository.commit({ message: "Begin [skip ci]", files: { Dockerfile: "FROM scratch\n" } });
  installation = await world.github.install(acme, { repositories: [repository] });
  await eventually("the installation is known", async () =>
    (await world.store().findRepositories("acme/api")).length === 1 ? true : null,
  );
});

afterEach(async () => {
  const { violations } = world.github;
  await world.close();
  expect(violations).toEqual([]);
});

function addFile(text = CONFIG, message = "Say what to build [skip ci]") {
  return repository.commit({ message, files: { ".wharfinger.yml": text } });
}

describe("a build that somebody starts", () => {
  it("is what a push of that branch would be, whatever its message says and changed, and leaves no check", async () => {
    const { sha } = await addFile();
    const { status, body } = await startBuild(world, { repository: "acme/api" });
    expect([status, body.outcome, body.builds.length]).toEqual([202, "planned", 2]);
    for (const id of body.builds) await untilBuild(world, id, "succeeded");
    expect((await builds(world)).toSorted((a, b) => (a.image < b.image ? -1 : 1))).toMatchObject([
      { image: "acme/api", trigger: "manual", ref: "refs/heads/main", sha, tags: ["latest", `sha-${sha.slice(0, 7)}`] },
      { image: "acme/worker", trigger: "manual", tags: ["latest"] },
    ]);
    await world.github.settled();
    expect(repository.checkRuns(sha)).toEqual([]);
    expect(await world.api(`/deliveries/${body.delivery}`)).toMatchObject({
      event: "wharfinger.build",
      repository: "acme/api",
      trace: [{ verdict: "build" }, { verdict: "skip" }, { verdict: "skip" }, { verdict: "build" }],
    });
    const { items } = await world.api<{ items: object[] }>("/audit?limit=1");
    expect(items).toMatchObject([
      { action: "build.started", by: { kind: "operator" }, subject: "acme/api", facts: { ref: "refs/heads/main" } },
    ]);
  });

  it("is of one image, of a branch or of a tag, as it is asked for", async () => {
    await addFile();
    const { sha } = await repository.commit({ branch: "release/2", files: { a: "1" } });
    await world.github.pushTag(repository, { tag: "v1.0.0", sha, annotated: true });
    const one = await startBuild(world, { repository: "acme/api", ref: "refs/heads/main", image: "worker" });
    const branch = await startBuild(world, { repository: `github:default:${repository.id}`, ref: "release/2" });
    expect([one.body.builds.length, branch.body.builds.length]).toEqual([1, 1]);
    expect(await untilBuild(world, one.body.builds[0] ?? "", "succeeded")).toMatchObject({ image: "acme/worker" });
    const released = await untilBuild(world, branch.body.builds[0] ?? "", "succeeded");
    expect(released).toMatchObject({ image: "acme/api", sha, tags: ["release-2"] });
    const tag = await startBuild(world, { repository: "acme/api", ref: "v1.0.0" });
    const tagged = await untilBuild(world, tag.body.builds[0] ?? "", "succeeded");
    expect(tagged).toMatchObject({ trigger: "manual", sha, ref: "refs/tags/v1.0.0", tags: ["1.0.0"] });
    const none = await startBuild(world, { repository: "acme/api", ref: "main", image: "no-such" });
    expect(none.body).toMatchObject({
      builds: [],
      decisions: [{ reason: "no-match", image: "no-such", detail: expect.stringContaining("names no image no-such") }],
    });
  });

  it("is the root Dockerfile where there is no file, as it was asked for, and on no other branch", async () => {
    await repository.commit({ branch: "topic", files: { b: "1" } });
    const { body } = await startBuild(world, { repository: "acme/api" });
    expect(await untilBuild(world, body.builds[0] ?? "", "succeeded")).toMatchObject({
      image: "acme/api",
      tags: ["latest"],
    });
    const topic = await startBuild(world, { repository: "acme/api", ref: "topic" });
    expect(topic.body).toMatchObject({ builds: [], decisions: [{ reason: "config-missing" }] });
  });

  it("publishes no more than the default branch's file grants", async () => {
    await addFile();
    const sneaky = CONFIG.replace('tags: ["{branch}"]', "tags: [latest]");
    await repository.commit({ branch: "release/3", files: { ".wharfinger.yml": sneaky } });
    const { body } = await startBuild(world, { repository: "acme/api", ref: "release/3" });
    expect(body).toMatchObject({ builds: [], decisions: [{ reason: "tag-not-granted" }, expect.anything()] });
  });

  it("does not disturb what a push has queued, nor its check, and is once for two clicks", async () => {
    const gate = deferred();
    ends.set("acme/worker", async () => {
      await gate.promise;
      return { kind: "built", image: { digest: digestOf("f".repeat(40)) } };
    });
    await addFile();
    const { sha } = await world.github.push(repository, { files: { "src/a": "1" } });
    await eventually("both are planned", async () => ((await builds(world)).length === 2 ? true : null));
    const [first, second] = [
      await startBuild(world, { repository: "acme/api", image: "worker" }),
      await startBuild(world, { repository: "acme/api", image: "worker" }),
    ];
    expect(first.body.builds).toHaveLength(1);
    expect(second.body).toMatchObject({ builds: [], decisions: [{ reason: "duplicate" }] });
    gate.resolve();
    await untilBuild(world, first.body.builds[0] ?? "", "succeeded");
    await eventually("the checks have ended", async () =>
      repository.checkRuns(sha).every(({ conclusion }) => conclusion === "success") &&
      repository.checkRuns(sha).length > 0
        ? true
        : null,
    );
    expect((await builds(world)).filter(({ state }) => state !== "succeeded")).toEqual([]);
  });

  it("survives a crash between the answer and the plan", async () => {
    await addFile();
    await world.stop();
    await world.restart();
    const { body } = await startBuild(world, { repository: "acme/api", image: "api" });
    await world.restart();
    await untilBuild(
      world,
      (await world.api<{ builds: string[] }>(`/deliveries/${body.delivery}`)).builds[0] ?? "",
      "succeeded",
    );
  });

  it.each<[string, object, number, string, RegExp]>([
    ["a repository nobody knows", { repository: "acme/other" }, 404, "not-found", /No repository/],
    [
      "a branch that is not there",
      { repository: "acme/api", ref: "gone" },
      404,
      "no-such-ref",
      /no branch or tag gone in acme\/api/,
    ],
    ["a name that no ref can have", { repository: "acme/api", ref: "a..b" }, 404, "no-such-ref", /no branch or tag/],
    ["something else", { repository: "acme/api", reff: "main" }, 400, "bad-request", /reff/],
  ])("is refused for %s", async (_name, wanted, status, code, message) => {
    const answer = await startBuild(world, wanted);
    expect([answer.status, answer.body.error?.code]).toEqual([status, code]);
    expect(answer.body.error?.message).toMatch(message);
  });

  it("is refused for what is both a branch and a tag, paused, archived or suspended, and says so", async () => {
    const { sha } = await addFile();
    await world.github.pushTag(repository, { tag: "main", sha });
    const both = await startBuild(world, { repository: "acme/api", ref: "main" });
    expect([both.status, both.body.error?.message]).toEqual([
      404,
      expect.stringContaining("say refs/heads/main or refs/tags/main"),
    ]);
    expect((await post(world, `/repositories/github/default/${repository.id}/pause`, {})).status).toBe(200);
    const paused = await startBuild(world, { repository: "acme/api", ref: "refs/heads/main" });
    expect([paused.status, paused.body.error?.message]).toEqual([409, expect.stringContaining("are paused")]);
    await post(world, `/repositories/github/default/${repository.id}/resume`, {});
    await world.github.suspend(installation);
    const suspended = await eventually("it is suspended", async () => {
      const answer = await startBuild(world, { repository: "acme/api", ref: "refs/heads/main" });
      return answer.status === 409 ? answer : null;
    });
    expect(suspended.body.error?.message).toContain("is suspended");
  });

  it("is not started where GitHub does not answer", async () => {
    await addFile();
    world.github.inject({ match: ({ path }) => path.includes("/commits/"), times: 5, effect: { status: 502 } });
    const { status, body } = await startBuild(world, { repository: "acme/api" });
    expect([status, body.error?.code]).toEqual([503, "host-unavailable"]);
    expect(body.error?.message).toMatch(/^Nothing was started/);
    expect(await builds(world)).toEqual([]);
  });
});

describe("a build", () => {
  it("that is queued or runs is canceled, and says so where it has ended", async () => {
    let stop = false;
    ends.set(
      "acme/worker",
      () =>
        new Promise((resolve) => {
          const { signal } = world.built.at(-1) ?? { signal: AbortSignal.abort() };
          signal.addEventListener("abort", () => {
            stop = true;
            resolve({ kind: "stopped" });
          });
        }),
    );
    await addFile();
    const { body } = await startBuild(world, { repository: "acme/api", image: "worker" });
    const [id = ""] = body.builds;
    await untilBuild(world, id, "running");
    expect(await post<ApiBuild>(world, `/builds/${id}/cancel`)).toMatchObject({
      status: 200,
      body: { id, state: "running" },
    });
    await untilBuild(world, id, "canceled");
    expect(stop).toBe(true);
    const again = await post(world, `/builds/${id}/cancel`);
    expect([again.status, again.body.error?.code, again.body.error?.message]).toEqual([
      409,
      "build-ended",
      "The build has come to its end: it is canceled.",
    ]);
    expect((await post(world, "/builds/nothing/cancel")).status).toBe(404);
    const { items } = await world.api<{ items: { action: string }[] }>("/audit");
    expect(items.filter(({ action }) => action === "build.canceled")).toHaveLength(1);
  });

  it("that has failed is repeated, and shows on its check; what has succeeded is not", async () => {
    ends.set("acme/worker", async () => ({
      kind: "failed",
      failure: { class: "build", message: "It broke." },
      retryable: false,
    }));
    await addFile();
    const { sha } = await world.github.push(repository, { files: { "src/a": "1" } });
    const [worker, api] = await eventually("both have ended", async () => {
      const all = await builds(world);
      const found = ["failed", "succeeded"].map((state) => all.find((one) => one.state === state));
      return found.includes(undefined) ? null : (found as readonly ApiBuild[]);
    });
    const succeeded = await post(world, `/builds/${api?.id}/retry`);
    expect([succeeded.status, succeeded.body.error?.code]).toEqual([409, "not-retried"]);
    ends.clear();
    const retried = await post<ApiBuild>(world, `/builds/${worker?.id}/retry`);
    expect(retried).toMatchObject({ status: 202, body: { trigger: "retry", image: "acme/worker", sha } });
    await untilBuild(world, retried.body.id, "succeeded");
    await eventually("the check has become a success", async () =>
      repository
        .checkRuns(sha)
        .filter(({ name }) => name === "wharfinger")
        .at(-1)?.conclusion === "success"
        ? true
        : null,
    );
    const newest = await world.api<ApiBuild>(`/builds/${retried.body.id}`);
    expect(newest.tags).toEqual(["latest"]);
  });
});
