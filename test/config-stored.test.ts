import { describe, expect, it } from "@jest/globals";
import { isBlank, settingSources, storable, withStored } from "../src/config-stored.ts";
import { TABLE } from "../src/config-table.ts";

const APP = {
  APP_ID: "1",
  PRIVATE_KEY: "key",
  WEBHOOK_SECRET: "hook",
  GITHUB_CLIENT_ID: "id",
  GITHUB_CLIENT_SECRET: "secret",
};
const REGISTRY = { REGISTRY_URL: "https://r.example", REGISTRY_USERNAME: "ada", REGISTRY_PASSWORD: "pass" };

describe("variables of the database", () => {
  it("count where the environment sets nothing, and an empty one sets nothing", () => {
    expect(withStored({ PORT: "1", REGISTRY_URL: "" }, { ...REGISTRY })).toEqual({ PORT: "1", ...REGISTRY });
    expect(withStored({ PUBLIC_URL: "https://env.example" }, { PUBLIC_URL: "https://db.example" })).toEqual({
      PUBLIC_URL: "https://env.example",
    });
  });

  it.each<[string, Record<string, string>, Record<string, string>, readonly string[]]>([
    ["another registry", { REGISTRY_URL: "https://evil.example" }, REGISTRY, []],
    ["another user of the registry", { REGISTRY_USERNAME: "eve" }, REGISTRY, ["REGISTRY_URL"]],
    ["another password", { REGISTRY_PASSWORD: "new" }, REGISTRY, ["REGISTRY_URL"]],
    ["another GitHub", { GITHUB_URL: "https://evil.example", GITHUB_API_URL: "https://evil.example/api/v3" }, APP, []],
    ["another App", { APP_ID: "2" }, APP, []],
    [
      "the key as a file",
      { PRIVATE_KEY_PATH: "app.pem" },
      APP,
      ["APP_ID", "WEBHOOK_SECRET", "GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET"],
    ],
    ["another consumer", { BITBUCKET_CLIENT_ID: "b" }, { BITBUCKET_CLIENT_ID: "a", BITBUCKET_CLIENT_SECRET: "s" }, []],
    [
      "another Bitbucket",
      { BITBUCKET_API_URL: "https://evil.example" },
      { BITBUCKET_APP_SECRET: "s", BITBUCKET_CLIENT_SECRET: "t" },
      [],
    ],
    [
      "a webhook secret that was changed",
      { WEBHOOK_SECRET: "new", WEBHOOK_SECRET_PREVIOUS: "hook" },
      APP,
      ["APP_ID", "PRIVATE_KEY", "GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET"],
    ],
  ])("send no secret to what the environment names instead: %s", (_, env, stored, left) => {
    const together = withStored(env, stored);
    const counting = Object.keys(stored).filter((name) => env[name] === undefined && together[name] !== undefined);
    expect(counting).toEqual(left);
    expect(together).toMatchObject(env);
  });

  it("are none that say where the database is and what opens it, nor what nobody knows", () => {
    for (const name of ["DATA_DIR", "DATABASE_URL", "SECRET_KEY", "SECRET_KEY_PREVIOUS", "PATH", "__proto__", ""]) {
      expect([name, storable(name)]).toEqual([name, null]);
      expect(Object.keys(withStored({}, { [name]: "x" }))).toEqual([]);
    }
  });

  it("are listed with where they come from, and secrets without what they are", () => {
    const env = { REGISTRY_URL: "https://env.example", ADMIN_TOKEN: "e".repeat(32), PORT: "1" };
    const listed = settingSources(env, { ...REGISTRY, PORT: "2", PUBLIC_URL: "https://u:word@x.example" });
    expect(listed).toEqual([
      { name: "PORT", from: "environment", overruledBy: "PORT", value: "1" },
      { name: "PUBLIC_URL", from: "database", overruledBy: null, value: null },
      { name: "ADMIN_TOKEN", from: "environment", overruledBy: null, value: null },
      { name: "REGISTRY_URL", from: "environment", overruledBy: "REGISTRY_URL", value: "https://env.example" },
      { name: "REGISTRY_USERNAME", from: "database", overruledBy: "REGISTRY_URL", value: "ada" },
      { name: "REGISTRY_PASSWORD", from: "database", overruledBy: "REGISTRY_URL", value: null },
    ]);
  });
});

describe("a first run", () => {
  it("is one where no variable of a host or a registry is set", () => {
    expect(isBlank({})).toBe(true);
    expect(isBlank({ PORT: "1", ADMIN_TOKEN: "x", PUBLIC_URL: "https://x", BUILDER: "webhook", APP_ID: "" })).toBe(
      true,
    );
    for (const [name, { group }] of TABLE) {
      if (["GitHub", "Bitbucket Cloud", "Registry"].includes(group))
        expect([name, isBlank({ [name]: "x" })]).toEqual([name, false]);
    }
  });
});
