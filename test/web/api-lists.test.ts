import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type ApiWorld, EIGHT, openApi } from "./api-world.ts";

let world: ApiWorld;
beforeAll(async () => {
  world = await openApi();
});
afterAll(() => world.close());

async function ids(path: string, token: string | null = null): Promise<readonly string[]> {
  const { status, json } = await world.ask(token, "GET", path);
  if (status !== 200) throw new Error(`${path} answered ${status}`);
  return (json as { readonly items: readonly { readonly id: string }[] }).items.map(({ id }) => id);
}

describe("lists of builds", () => {
  it("have what was asked for", async () => {
    const { queued, held, theirs } = world.builds;
    const cases: readonly (readonly [string, readonly string[]])[] = [
      ["", [theirs, held, queued]],
      ["state=queued", [theirs, queued]],
      ["state=held", [held]],
      ["trigger=event", [theirs, held, queued]],
      ["trigger=manual", []],
      ["repository=acme/repository-1", [held, queued]],
      ["repository=ACME/Repository-3", [theirs]],
      ["image=other/api", [theirs]],
      ["image=api", []],
      ["ref=main", [theirs, queued]],
      ["ref=refs/heads/main", [theirs, queued]],
      ["ref=refs/tags/main", []],
      [`delivery=${world.deliveries.held}`, [held]],
      ["installation=github:default:8", [theirs]],
      ["installation=github:default:80", []],
      ["state=queued&installation=github:default:7", [queued]],
    ];
    for (const [query, wanted] of cases) expect([query, await ids(`/builds?${query}`)]).toEqual([query, wanted]);
  });

  it.each([
    ["state=done", "bad-state"],
    ["state=queued&state=held", "bad-state"],
    ["trigger=x", "bad-trigger"],
    ["repository=", "bad-repository"],
    [`image=${"x".repeat(301)}`, "bad-image"],
    ["ref=a&ref=b", "bad-ref"],
    ["installation=7", "bad-installation"],
    ["delivery=1&delivery=2", "bad-delivery"],
  ])("refuse ?%s as %s", async (query, code) => {
    expect(await world.ask(null, "GET", `/builds?${query}`)).toMatchObject({ status: 400, json: { error: { code } } });
  });

  it("are of an API token's own installation, whatever is asked for", async () => {
    const token = await world.token("read", EIGHT);
    for (const query of ["", "?state=queued", "?installation=github:default:8"]) {
      expect([query, await ids(`/builds${query}`, token)]).toEqual([query, [world.builds.theirs]]);
    }
    expect(await ids("/builds?repository=acme/repository-1", token)).toEqual([]);
    expect(await ids(`/builds?delivery=${world.deliveries.held}`, token)).toEqual([]);
    for (const list of ["builds", "deliveries"]) {
      const { status } = await world.ask(token, "GET", `/${list}?installation=github:default:7`);
      expect([list, status]).toEqual([list, 403]);
    }
  });
});

describe("other lists", () => {
  it("of deliveries can be of one installation", async () => {
    const { queued, held, theirs } = world.deliveries;
    expect(await ids("/deliveries")).toEqual([theirs, held, queued]);
    expect(await ids("/deliveries?installation=github:default:7")).toEqual([held, queued]);
    expect(await ids("/deliveries?installation=bitbucket:default:7")).toEqual([]);
  });

  it("of repositories come page by page, by name", async () => {
    const path = "/installations/github/default/7/repositories";
    const first = await world.ask(null, "GET", `${path}?limit=1`);
    const { items, next } = first.json as { items: object[]; next: string };
    expect(items).toMatchObject([{ id: "1", fullName: "acme/repository-1", link: "linked", defaultBranch: "main" }]);
    const second = await world.ask(null, "GET", `${path}?limit=1&cursor=${next}`);
    // Nothing of it was planned yet.
    const lib = { id: "2", fullName: "acme/repository-2", link: "linked", defaultBranch: null, webUrl: null };
    expect(second.json).toMatchObject({ items: [lib], next: null });
    expect(await ids(`${path}?cursor=1000`)).toEqual([]);
    for (const cursor of ["0", "-1", "1e3", "x", "99999999"]) {
      const answer = await world.ask(null, "GET", `${path}?cursor=${cursor}`);
      expect([cursor, answer.status]).toEqual([cursor, 400]);
    }
    expect((await world.ask(null, "GET", path.replace("/7/", "/70/"))).status).toBe(404);
  });
});
