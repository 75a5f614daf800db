/** Who may start, repeat and cancel which builds over the API. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { API, type ApiWorld, EIGHT, openApi, SEVEN } from "./api-world.ts";
import { TOKEN } from "./world.ts";

let world: ApiWorld;
beforeEach(async () => {
  world = await openApi();
});
afterEach(() => world.close());

const START = { repository: API.fullName };

async function audited(action: string) {
  const { items } = await world.store.listAudit({ limit: 50, cursor: null });
  return items.filter((one) => one.action === action);
}

describe("an API token", () => {
  it("starts builds of its installation, as itself, with the role for it", async () => {
    const [read, write] = [await world.token("read"), await world.token("write")];
    expect((await world.ask(read, "POST", "/builds", START)).status).toBe(403);
    const started = await world.ask(write, "POST", "/builds", { ...START, ref: "main" });
    expect(started).toMatchObject({ status: 202, json: { outcome: "pending", builds: [], decisions: [] } });
    expect(await audited("build.started")).toMatchObject([
      { by: { kind: "token", name: "token 2" }, installation: SEVEN, subject: API.fullName },
    ]);
  });

  it("finds no repository of another installation, under its name or its key", async () => {
    const theirs = await world.token("write", EIGHT);
    for (const repository of [API.fullName, "github:default:1"]) {
      const { status, json } = await world.ask(theirs, "POST", "/builds", { repository });
      expect([status, json]).toMatchObject([404, { error: { code: "not-found" } }]);
    }
    expect(await audited("build.started")).toEqual([]);
  });

  it.each(["cancel", "retry"])(
    "does not %s builds of another installation, nor with the role to look",
    async (what) => {
      const { builds } = world;
      expect(
        (await world.ask(await world.token("write", EIGHT), "POST", `/builds/${builds.queued}/${what}`)).status,
      ).toBe(404);
      expect((await world.ask(await world.token("read"), "POST", `/builds/${builds.queued}/${what}`)).status).toBe(403);
      expect((await world.store.getBuild(builds.queued))?.state).toBe("queued");
    },
  );

  it("cancels and repeats builds of its own", async () => {
    const token = await world.token("write");
    const { queued } = world.builds;
    expect(await world.ask(token, "POST", `/builds/${queued}/cancel`)).toMatchObject({
      status: 200,
      json: { id: queued, state: "canceled" },
    });
    const retried = await world.ask(token, "POST", `/builds/${queued}/retry`);
    expect(retried).toMatchObject({ status: 202, json: { state: "queued", trigger: "retry" } });
    expect(await audited("build.retried")).toMatchObject([{ by: { kind: "token" }, facts: { repeats: queued } }]);
  });
});

describe("the operator", () => {
  it("starts one build for one key, however often it is sent", async () => {
    const headers = { "Idempotency-Key": "deploy-1" };
    const first = await world.ask(TOKEN, "POST", "/builds", START, headers);
    const second = await world.ask(TOKEN, "POST", "/builds", START, headers);
    expect([first.status, second.json]).toEqual([202, first.json]);
    expect(await audited("build.started")).toHaveLength(1);
  });

  it("has to say which, where two repositories are called so", async () => {
    await world.store.linkRepositories(EIGHT, [{ ...API, id: "77" }], { complete: false });
    const { status, json } = await world.ask(TOKEN, "POST", "/builds", START);
    expect([status, json]).toMatchObject([409, { error: { code: "ambiguous-repository" } }]);
    expect(JSON.stringify(json)).toContain("github:default:1 or github:default:77");
    expect((await world.ask(TOKEN, "POST", "/builds", { repository: "github:default:77" })).status).toBe(202);
    // For whom there is one only, it needs no more.
    expect((await world.ask(await world.token("write"), "POST", "/builds", START)).status).toBe(202);
  });

  it.each<[string, unknown, number]>([
    ["nothing", undefined, 415],
    ["no repository", {}, 400],
    ["a repository that is none", { repository: 5 }, 400],
    ["a ref that is none", { ...START, ref: 5 }, 400],
    ["an empty ref", { ...START, ref: "" }, 400],
    ["what nobody asked for", { ...START, actor: { id: "1", login: "x" } }, 400],
    ["a ref that is not there", { ...START, ref: "refs/tags/v1" }, 404],
  ])("is told what is wrong with %s", async (_name, body, status) => {
    expect((await world.ask(TOKEN, "POST", "/builds", body)).status).toBe(status);
    expect(await audited("build.started")).toEqual([]);
  });

  it("is told why a build can not be done again, and that one has ended", async () => {
    const { queued } = world.builds;
    const early = await world.ask(TOKEN, "POST", `/builds/${queued}/retry`);
    expect([early.status, early.json]).toMatchObject([409, { error: { code: "not-retried" } }]);
    await world.ask(TOKEN, "POST", `/builds/${queued}/cancel`);
    const late = await world.ask(TOKEN, "POST", `/builds/${queued}/cancel`);
    expect([late.status, late.json]).toMatchObject([409, { error: { code: "build-ended" } }]);
    expect((await world.ask(TOKEN, "POST", "/builds/nothing/retry")).status).toBe(404);
  });
});
