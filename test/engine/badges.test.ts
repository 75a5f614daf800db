import { describe, expect, it } from "@jest/globals";
import type { BuildState } from "../../src/core/model.ts";
import { createBadges } from "../../src/engine/badges.ts";

const REPOSITORY = { provider: "github", host: "default", id: "1", fullName: "acme/api" } as const;
const WANTED = {
  provider: "github",
  host: "default",
  fullName: "acme/api",
  branch: null,
  image: null,
  token: null,
} as const;

function badges(
  facts: { readonly private: boolean; readonly states: readonly BuildState[] } | null,
  key = "k".repeat(43),
) {
  const store = {
    badgeFacts: async () => (facts === null ? null : { repository: REPOSITORY, ...facts }),
    badgeKey: async () => key,
  };
  return createBadges({ store, publicUrl: "https://wharfinger.example" });
}

async function tokenOf(of: ReturnType<typeof badges>, id = "1"): Promise<string> {
  const [, token] = /token=([\w-]+)/.exec(await of.markdown({ ...REPOSITORY, id, private: true })) ?? [];
  return token ?? "";
}

describe("badges", () => {
  it("of public repositories are for everybody", async () => {
    const shown = await badges({ private: false, states: ["failed"] }).state(WANTED);
    expect(shown).toEqual({ state: "failing", open: true });
  });

  it("of private ones are for those who have their token, and for nobody else's", async () => {
    const ours = badges({ private: true, states: ["succeeded"] });
    const token = await tokenOf(ours);
    expect(await ours.state({ ...WANTED, token })).toEqual({ state: "passing", open: false });
    const others = [null, "", token.slice(1), `${token}A`, await tokenOf(ours, "2")];
    others.push(await tokenOf(badges(null, "x".repeat(43))));
    for (const wrong of others) {
      expect(await ours.state({ ...WANTED, token: wrong })).toEqual({ state: "unknown", open: true });
    }
  });

  it("look the same for what is not there and for what is not to be seen", async () => {
    const hidden = await badges({ private: true, states: ["succeeded"] }).state(WANTED);
    expect(await badges(null).state(WANTED)).toEqual(hidden);
  });

  it("of a further host name it", async () => {
    const repository = { ...REPOSITORY, host: "ghes", private: false };
    expect(await badges(null).markdown(repository)).toContain("/badge/github/ghes/acme/api.svg");
  });

  it("come as Markdown that leads to the builds, without a token where none is needed", async () => {
    const markdown = await badges(null).markdown({ ...REPOSITORY, fullName: "acme/a b", private: false });
    expect(markdown).toBe(
      "[![wharfinger](https://wharfinger.example/badge/github/acme/a%20b.svg)](https://wharfinger.example/builds?repository=acme%2Fa+b)",
    );
  });
});
