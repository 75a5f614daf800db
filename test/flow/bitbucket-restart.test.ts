/** Bitbucket tells of an install once: what was acknowledged must not be lost when the program ends. */
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { installed } from "../support/bitbucket-door.ts";
import { createWorld, eventually, type World } from "../support/world.ts";

let world: World;

beforeEach(async () => {
  world = await createWorld({ bitbucket: true });
});

afterEach(async () => {
  await world.close();
});

it.each([
  ["its proof", (path: string) => path.startsWith("/site/oauth2/access_token")],
  ["its recording", (path: string) => /^\/2\.0\/repositories\/[^/?]+(\?|$)/.test(path)],
])("an install that is acknowledged survives a restart before %s", async (_what, isNeeded) => {
  const workspace = world.bitbucket.workspace("harbour");
  let away = true;
  let asked = 0;
  world.bitbucket.inject({
    times: Number.POSITIVE_INFINITY,
    effect: { status: 503 },
    match({ path }) {
      if (!away || !isNeeded(path)) return false;
      asked += 1;
      return true;
    },
  });
  const { status } = await world.bitbucket.install(workspace, { descriptor: `${world.url}/atlassian-connect.json` });
  expect(status).toBe(204);
  await eventually("Bitbucket was asked", () => (asked > 0 ? true : null));
  const id = { provider: "bitbucket", host: "default", id: workspace.uuid } as const;
  expect(await world.store().getInstallation(id)).toBeNull();

  await world.restart();
  away = false;
  // As long as is waited after the first try; the JWTs' clock may be no further ahead than a minute.
  world.clock.advance(25_000);
  await installed(world, workspace);
});
