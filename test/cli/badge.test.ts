import { describe, expect, it } from "@jest/globals";
import { noStore, run } from "./world.ts";

const API = { provider: "github", host: "default", id: "1", fullName: "acme/api" } as const;

function having(...ids: readonly string[]) {
  const installation = { provider: "github", host: "default", id: "7" } as const;
  const store = {
    ...noStore,
    findRepositories: async () => ids.map((id) => ({ ...API, id, installation })),
    badgeFacts: async () => ({ repository: API, private: false, states: [] }),
  };
  return { openStore: async () => store };
}

describe("badge", () => {
  it("prints what to put into a README", async () => {
    expect(await run(["badge", "acme/api"], having("1"))).toEqual({
      code: 0,
      out: "[![wharfinger](https://wharfinger.example/badge/github/acme/api.svg)](https://wharfinger.example/builds?repository=acme%2Fapi)\n",
      err: "",
    });
  });

  it("says what to give where nothing, or several, are called so", async () => {
    expect(await run(["badge", "acme/none"], having())).toMatchObject({
      code: 1,
      err: 'badge: no repository "acme/none" is covered here. Give it as OWNER/NAME\n',
    });
    expect(await run(["badge", "acme/api"], having("1", "2"))).toMatchObject({
      code: 1,
      err: 'badge: "acme/api" stands for github:default:1 and github:default:2; give one of these\n',
    });
  });
});
