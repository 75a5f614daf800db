import { createHash } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import jwt from "atlassian-jwt";
import { hostJwt, queryStringHash, readJwt, signJwt } from "./jwt.ts";
import { sign } from "./webhooks.ts";

const BASE = "https://addon.example/base";

function hashOf(canonical: string): string {
  return createHash("sha256").update(canonical).digest("hex");
}

describe("the hash of a request", () => {
  it("is that of recorded webhooks of Bitbucket", () => {
    const url = new URL("https://addon.example/bitbucket/webhook/");
    expect(queryStringHash("POST", url, "https://addon.example")).toBe(
      "dbcf4dcadc2373d44fff39fd9ecf9442792238144d029aa2502f63a9b6ed6393",
    );
  });

  it.each([
    ["the base itself", "", "GET&/&"],
    ["the base with a slash", "/", "GET&/&"],
    ["a path with a slash at its end", "/a/b/", "GET&/a/b&"],
    ["an ampersand in the path", "/a&b?c=d", "GET&/a%26b&c=d"],
    ["no JWT", "/a?jwt=x.y.z&b=1", "GET&/a&b=1"],
    ["names in order, as they are written encoded", "/?b=2&a=1&B=3&a%5B=4", "GET&/&B=3&a=1&a%5B=4&b=2"],
    [
      "repeated parameters in order, and joined",
      "/path/to/service?zee_last=param&repeated=parameter 2&first=param&repeated=parameter 1",
      "GET&/path/to/service&first=param&repeated=parameter%201,parameter%202&zee_last=param",
    ],
    ["everything else percent-encoded", "/?a=%7Bx%7D*'()!~+y/ü", "GET&/&a=%7Bx%7D%2A%27%28%29%21~%20y%2F%C3%BC"],
    ["a parameter without a value", "/?a&b=", "GET&/&a=&b="],
  ])("takes %s", (_, path, canonical) => {
    expect(queryStringHash("get", new URL(BASE + path), BASE)).toBe(hashOf(canonical));
  });

  it("strips no base that is only the beginning of a name", () => {
    expect(queryStringHash("GET", new URL("https://addon.example/baseline"), BASE)).toBe(hashOf("GET&/baseline&"));
  });

  it.each([
    "/bitbucket/configure?workspace=%7Ba-b%7D&user=%7Bc%7D",
    "/x?a=1,2&a=0&b=%2C",
    "/x/y?q=name~%22v1%22&sort=-target.date",
  ])("agrees with Atlassian's own library about %s", (path) => {
    const url = new URL(BASE + path);
    const theirs = jwt.createQueryStringHash(jwt.fromMethodAndUrl("GET", path), false, "");
    expect(queryStringHash("GET", url, BASE)).toBe(theirs);
  });
});

describe("a JWT of the host", () => {
  const client = { clientKey: "connection:1", secret: "s".repeat(32) };
  const request = { method: "POST", url: new URL(`${BASE}/hook`), base: BASE };

  it("has five claims, lives an hour, and is read by Atlassian's own library", () => {
    const token = hostJwt(client, request, 1_000_000);
    expect(jwt.decodeSymmetric(token, client.secret, jwt.SymmetricAlgorithm.HS256)).toEqual({
      iss: "connection:1",
      aud: ["connection:1"],
      iat: 1_000_000,
      exp: 1_003_600,
      qsh: hashOf("POST&/hook&"),
    });
    expect(readJwt(token)?.header).toEqual({ alg: "HS256", typ: "JWT" });
    expect(readJwt(token)?.claims["aud"]).toBe("connection:1");
  });

  it("is told from one that another secret, or none, has signed", () => {
    const token = signJwt(client.secret, { iss: "x" });
    const [head, body] = token.split(".");
    expect(readJwt(token)?.signedWith(client.secret)).toBe(true);
    expect(readJwt(token)?.signedWith("t".repeat(32))).toBe(false);
    expect(readJwt(`${head}.${body}.`)?.signedWith(client.secret)).toBe(false);
    expect(readJwt(signJwt(client.secret, { iss: "x" }, { alg: "HS512" }))?.signedWith(client.secret)).toBe(false);
    for (const broken of ["", "a.b", "a.b.c", `${token}.d`]) expect(readJwt(broken)).toBeNull();
  });
});

it("signs a webhook's bytes as Bitbucket's documentation shows", () => {
  expect(sign("It's a Secret to Everybody", "Hello World!")).toBe(
    "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9",
  );
});
