import { describe, expect, it } from "@jest/globals";
import type { CliStore } from "../../src/cli/parts.ts";
import type { PublishedImage } from "../../src/engine/store-port.ts";
import { noStore, run } from "./world.ts";

const OWNER = { provider: "github", host: "default", id: "1", fullName: "acme/api" } as const;
const OTHER = { provider: "github", host: "default", id: "2", fullName: "acme/web" } as const;

function storeWith(image: PublishedImage, told: string[]): CliStore {
  let now = image;
  return {
    ...noStore,
    publishedImage: async (name) => (name === image.name ? now : null),
    repositoriesNamed: async (name) =>
      name === "acme/twice" ? [OWNER, OTHER] : name === OTHER.fullName ? [OTHER] : [],
    async shareImage(name, { id }) {
      told.push(`share ${name} ${id}`);
      now = { ...now, shares: [OTHER] };
      return true;
    },
    async unshareImage(name, { id }) {
      told.push(`unshare ${name} ${id}`);
    },
    async giveImage(name, { id }, by) {
      told.push(`give ${name} ${id} by ${by.kind}`);
      if (name !== image.name) return false;
      now = { ...now, owner: OTHER };
      return true;
    },
    async setImagePublic(name, open) {
      told.push(`${open ? "open" : "close"} ${name}`);
      now = { ...now, public: open };
    },
  };
}

const IMAGE: PublishedImage = {
  name: "acme/api",
  owner: OWNER,
  shares: [],
  public: false,
  tags: [{ tag: "latest", digest: "sha256:abc", build: "b1" }],
};

async function image(...args: string[]) {
  const told: string[] = [];
  const ran = await run(["image", ...args], { openStore: async () => storeWith(IMAGE, told) });
  return { ...ran, told };
}

describe("image", () => {
  it("says whose it is, who else publishes and pulls it, and where its tags point", async () => {
    expect(await image("acme/api")).toEqual({
      code: 0,
      err: "",
      told: [],
      out: `image      acme/api
belongs to acme/api (github:default:1)
shared     with nobody
pulled by  its installation's builds, and whoever the registry itself lets in

latest  sha256:abc  build b1
`,
    });
  });

  it("shares it, takes that back, opens and closes it, and shows how it is then", async () => {
    const shared = await image("acme/api", "--share", "acme/web", "--public");
    expect(shared.told).toEqual(["share acme/api 2", "open acme/api"]);
    expect(shared.out).toContain("with acme/web");
    expect(shared.out).toContain("pulled by  anybody");
    expect((await image("acme/api", "--unshare", "acme/web", "--private")).told).toEqual([
      "unshare acme/api 2",
      "close acme/api",
    ]);
  });

  it("gives it to another repository", async () => {
    const given = await image("acme/api", "--give", "acme/web");
    expect(given.told).toEqual(["give acme/api 2 by operator"]);
    expect(given.out).toContain("belongs to acme/web (github:default:2)");
  });

  it("gives nobody what was never published", async () => {
    const given = await image("acme/none", "--give", "acme/web");
    expect([given.code, given.told]).toEqual([1, ["give acme/none 2 by operator"]]);
    expect(given.err).toContain("was never published here");
  });

  it.each<[string, string[], number, string]>([
    ["an image nobody published", ["api"], 1, "was never published here"],
    ["a repository nobody knows", ["acme/api", "--public", "--share", "acme/none"], 1, "no repository"],
    ["a receiver nobody knows", ["acme/api", "--public", "--give", "acme/none"], 1, "no repository"],
    [
      "a receiver that stands for two",
      ["acme/api", "--give", "acme/twice"],
      1,
      "github:default:1 and github:default:2",
    ],
    ["a name of two repositories", ["acme/api", "--share", "acme/twice"], 1, "github:default:1 and github:default:2"],
    ["both ways at once", ["acme/api", "--public", "--private"], 2, "cannot be used with"],
    ["no image", [], 2, "missing required argument"],
  ])("changes nothing for %s", async (_what, args, code, words) => {
    const ran = await image(...args);
    expect([ran.code, ran.told]).toEqual([code, []]);
    expect(ran.err).toContain(words);
  });

  it("prints nothing of a repository's name that a terminal would obey", async () => {
    const told: string[] = [];
    const hostile = { ...IMAGE, owner: { ...OWNER, fullName: "acme/\u001b[2Jx\n" } };
    const { out } = await run(["image", "acme/api"], { openStore: async () => storeWith(hostile, told) });
    expect(out).not.toContain("\u001b");
    expect(out.split("\n")[1]).toContain("acme/");
  });
});
