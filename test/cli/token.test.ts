import { describe, expect, it } from "@jest/globals";
import { parse } from "yaml";
import type { AccessTokens, MadeToken, RefusedToken } from "../../src/engine/access-tokens.ts";
import type { AccessToken } from "../../src/engine/access-tokens-port.ts";
import { NO_ACCESS_TOKENS } from "../support/no-access-tokens.ts";
import { run } from "./world.ts";

const ID = "aaaqeayeaudaoch7";
const SECRET = "777p37h37l47r57w6x2ph4xr6dx653ia";
const TOKEN: AccessToken = {
  id: ID,
  namespace: "acme_x",
  account: { provider: "github", host: "default", id: "9" },
  name: "ci",
  access: "push",
  by: { kind: "operator" },
  createdAt: "2026-11-20T12:00:00.000Z",
  expiresAt: "2027-02-18T12:00:00.000Z",
  revokedAt: null,
  lastUsedAt: null,
};
const MADE: MadeToken = {
  kind: "made",
  token: TOKEN,
  secret: `whf_${ID}_${SECRET}`,
  registry: "registry.example.com:5000",
};

async function token(argv: readonly string[], tokens: Partial<AccessTokens> = {}) {
  let closed = 0;
  const openTokens = async () => ({
    ...NO_ACCESS_TOKENS,
    ...tokens,
    async close() {
      closed += 1;
    },
  });
  const ran = await run(["token", ...argv], { openTokens });
  return { ...ran, closed };
}

describe("token create", () => {
  const asked: unknown[] = [];
  const make = (answer: MadeToken | RefusedToken): Partial<AccessTokens> => ({
    async make(namespace, wish, by) {
      asked.push([namespace, wish, by]);
      return answer;
    },
  });

  it("asks for what was said, as the operator, and prints the token once", async () => {
    asked.length = 0;
    const flags = ["--name", "ci", "--push", "--days", "30", "--account", "github:default:9"];
    const { code, out, err, closed } = await token(["create", "acme_x", ...flags], make(MADE));
    expect([code, err, closed]).toEqual([0, "", 1]);
    const wish = { name: "ci", access: "push", days: 30, account: "github:default:9" };
    expect(asked).toEqual([["acme_x", wish, { kind: "operator" }]]);
    expect(out.split(SECRET)).toHaveLength(2);
    expect(out).toContain(
      `made     ci (whf_${ID}): pulls acme_x/…, pushes to images there that no repository owns, until 2027-02-18T12:00Z`,
    );
    expect(out).toContain(`\ntoken    ${MADE.secret}\n`);
  });

  it("pulls for 90 days unless told otherwise", async () => {
    asked.length = 0;
    await token(["create", "acme", "--name", "ci"], make(MADE));
    expect(asked).toMatchObject([["acme", { access: "pull", days: 90, account: null }, {}]]);
  });

  it("shows how to sign in with the token neither in arguments nor in a file of commands", async () => {
    const { out } = await token(["create", "acme_x", "--name", "ci"], make(MADE));
    const [login] = out.split("\n").filter((line) => line.includes("docker login"));
    expect(login).toBe(
      'read -rs TOKEN && printf %s "$TOKEN" | docker login registry.example.com:5000 --username acme_x --password-stdin',
    );
    expect(out).not.toContain("--password ");
    expect(out).not.toContain("--docker-password");
  });

  it("shows a Kubernetes secret that is one, under a name Kubernetes takes", async () => {
    const { out } = await token(["create", "acme_x", "--name", "ci"], make(MADE));
    const [, manifest = ""] = /kubectl create -f - <<EOF\n(.*?)\nEOF\n/s.exec(out) ?? [];
    // As the shell reads it.
    const secret = parse(manifest.replace("$TOKEN", MADE.secret));
    expect(secret).toMatchObject({
      apiVersion: "v1",
      kind: "Secret",
      type: "kubernetes.io/dockerconfigjson",
      metadata: { name: "wharfinger-acme-x" },
    });
    expect(JSON.parse(secret.stringData[".dockerconfigjson"])).toEqual({
      auths: { "registry.example.com:5000": { username: "acme_x", password: MADE.secret } },
    });
    expect(out).toContain("\nimagePullSecrets: [{ name: wharfinger-acme-x }]\n");
  });

  it("prints one JSON object", async () => {
    const { out } = await token(["create", "acme_x", "--name", "ci", "--json"], make(MADE));
    expect(JSON.parse(out)).toEqual({
      id: `whf_${ID}`,
      namespace: "acme_x",
      name: "ci",
      access: "push",
      account: "github:default:9",
      createdAt: TOKEN.createdAt,
      expiresAt: TOKEN.expiresAt,
      revokedAt: null,
      lastUsedAt: null,
      token: MADE.secret,
      username: "acme_x",
      registry: "registry.example.com:5000",
    });
  });

  it("answers 1 with the reason where it may not be, and closes the database all the same", async () => {
    const answer = { kind: "refused", code: "name-taken", why: "A token called ci works already." } as const;
    expect(await token(["create", "acme", "--name", "ci"], make(answer))).toEqual({
      code: 1,
      out: "",
      err: "token: A token called ci works already.\n",
      closed: 1,
    });
  });

  it.each([
    [["--name", "ci", "--days", "0"], "from 1 to 366"],
    [["--name", "ci", "--days", "1e2"], "from 1 to 366"],
    [["--name", "ci", "--days", ""], "from 1 to 366"],
    [["--name", "ci\u001b[2J"], "needs a name"],
    [[], "required option '--name <name>'"],
  ])("answers 2 to %j, and asks for nothing", async (flags, words) => {
    asked.length = 0;
    const { code, err } = await token(["create", "acme", ...flags], make(MADE));
    expect([code, asked]).toEqual([2, []]);
    expect(err).toContain(words);
  });
});

describe("token list", () => {
  it("prints each with what it may, until when, and when it was used last", async () => {
    const all: AccessToken[] = [
      { ...TOKEN, expiresAt: "2999-02-18T12:00:00.000Z", lastUsedAt: "2026-11-21T09:30:59.000Z" },
      { ...TOKEN, id: "b".repeat(16), name: "old", access: "pull", expiresAt: "2020-01-01T00:00:00.000Z" },
      { ...TOKEN, id: "c".repeat(16), name: "gone", revokedAt: "2026-11-21T09:30:00.000Z" },
    ];
    const list: AccessTokens["list"] = async (_namespace, { cursor }) =>
      cursor === null ? { items: all.slice(0, 2), next: "more" } : { items: all.slice(2), next: null };
    const { code, out } = await token(["list", "acme_x"], { list });
    expect([code, out.split("\n")]).toEqual([
      0,
      [
        `whf_${ID}  ci  pull and push  until 2999-02-18T12:00Z  last used 2026-11-21T09:30Z  for github:default:9`,
        `whf_${"b".repeat(16)}  old  pull  expired 2020-01-01T00:00Z  never used  for github:default:9`,
        `whf_${"c".repeat(16)}  gone  pull and push  revoked 2026-11-21T09:30Z  never used  for github:default:9`,
        "",
      ],
    ]);
    const json = JSON.parse((await token(["list", "acme_x", "--json"], { list })).out);
    expect([json.items.length, json.next]).toEqual([3, null]);
  });

  it("says that there are none, and answers 1 where nobody has the namespace", async () => {
    const list = async () => ({ items: [], next: null });
    expect(await token(["list", "acme"], { list })).toMatchObject({
      code: 0,
      out: expect.stringContaining("token create acme --name"),
    });
    expect(await token(["list", "acme"])).toMatchObject({ code: 1, err: expect.stringContaining('"acme"') });
  });
});

describe("token revoke", () => {
  it("ends it, as the operator, and says for how long what it opened goes on", async () => {
    const asked: unknown[] = [];
    const revoke: AccessTokens["revoke"] = async (...question) => {
      asked.push(question);
      return TOKEN;
    };
    const { code, out } = await token(["revoke", "acme_x", "ci"], { revoke });
    expect([code, asked]).toEqual([0, [["acme_x", "ci", { kind: "operator" }]]]);
    expect(out).toContain(`revoked  ci (whf_${ID})`);
    expect(out).toContain("6 minutes");
    expect(JSON.parse((await token(["revoke", "acme_x", "ci", "--json"], { revoke })).out)).toMatchObject({
      name: "ci",
    });
  });

  it("answers 1 where there is none, and does not repeat a secret it was given", async () => {
    const { code, err } = await token(["revoke", "acme_x", MADE.secret]);
    expect(code).toBe(1);
    expect(err).toContain(`whf_${ID}_…`);
    expect(err).not.toContain(SECRET);
  });
});
