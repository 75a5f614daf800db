/** Builds that somebody starts and repeats on Bitbucket, through either door. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { BuildEnd } from "../../src/engine/ports.ts";
import type { HostRepository } from "../hosts/bitbucket/index.ts";
import { openDoor } from "../support/bitbucket-door.ts";
import { type ApiBuild, builds, post, startBuild, untilBuild } from "../support/starting.ts";
import { createWorld, digestOf, eventually, type World } from "../support/world.ts";

const CONFIG = `version: 1
images:
  - name: api
    rules:
      - { branch: main, tags: [latest] }
      - { semver: ">=1.0.0", tags: ["{version}"] }
`;

let world: World;
let end: (() => Promise<BuildEnd>) | null;

beforeEach(async () => {
  end = null;
  world = await createWorld({
    bitbucket: true,
    async build({ request }) {
      return end === null ? { kind: "built", image: { digest: digestOf(request.source.sha) } } : end();
    },
  });
});

afterEach(async () => {
  const { violations } = world.bitbucket;
  await world.close();
  expect(violations).toEqual([]);
});

describe.each(["connect", "webhook"] as const)("through the door %s", (door) => {
  let repository: HostRepository;

  beforeEach(async () => {
    const workspace = await openDoor(world, door, "harbour");
    repository = await world.bitbucket.repository(workspace, "api", { private: true });
    await repository.commit({ files: { Dockerfile: "FROM scratch\n", ".wharfinger.yml": CONFIG } });
    // Bitbucket tells of no repository: the first push does.
    await repository.push([{ branch: "main", files: { a: "1" } }]);
    await eventually("the push is built", async () =>
      (await builds(world)).some(({ state }) => state === "succeeded") ? true : null,
    );
  });

  it("a branch and a tag are built as they are now, and leave no status", async () => {
    const { sha } = await repository.commit({ files: { a: "2" }, message: "quietly" });
    const { status, body } = await startBuild(world, { repository: "harbour/api" });
    expect([status, body.outcome, body.builds.length]).toEqual([202, "planned", 1]);
    const built = await untilBuild(world, body.builds[0] ?? "", "succeeded");
    expect(built).toMatchObject({ trigger: "manual", sha, image: "harbour/api", tags: ["latest"] });
    expect(repository.statuses(sha)).toEqual([]);
    const gone = await startBuild(world, { repository: "harbour/api", ref: "v1.0.0" });
    expect([gone.status, gone.body.error?.code]).toEqual([404, "no-such-ref"]);
  });

  it("a build that failed is repeated, and one that waits is canceled", async () => {
    end = async () => ({ kind: "failed", failure: { class: "build", message: "It broke." }, retryable: false });
    const { body } = await startBuild(world, { repository: "harbour/api", ref: "main" });
    const [id = ""] = body.builds;
    await untilBuild(world, id, "failed");
    end = null;
    const retried = await post<ApiBuild>(world, `/builds/${id}/retry`);
    expect([retried.status, retried.body.trigger]).toEqual([202, "manual"]);
    await untilBuild(world, retried.body.id, "succeeded");
    expect((await post(world, `/builds/${retried.body.id}/cancel`)).status).toBe(409);
  });
});
