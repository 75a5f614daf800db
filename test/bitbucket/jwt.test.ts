import { createHash, createHmac, generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { appJwt, qshOf, readAuthorization, readIssuer, signJwt, verifyJwt } from "../../src/bitbucket/jwt.ts";

const SECRET = "the secret of this installation";
const CLIENT = "ari:cloud:bitbucket::app/{acf54878-1111-4222-8333-444455556666}/wharfinger";
const NOW = Date.parse("2026-11-20T10:00:00Z");
const SECONDS = NOW / 1000;
const BASE = "https://ci.example.com";
const URL_ = "/bitbucket/webhooks";

/** Claims as Bitbucket sends them: exactly these five. */
function claims(changes: Record<string, unknown> = {}): Record<string, unknown> {
  const qsh = sha256("POST&/bitbucket/webhooks&");
  const all = { iss: CLIENT, aud: CLIENT, iat: SECONDS, exp: SECONDS + 3600, qsh, ...changes };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** A token made by hand, so that its header and its signature can be anything. */
function token(
  options: {
    header?: object;
    claims?: unknown;
    key?: string;
    hash?: string;
    signature?: (input: string) => string;
  } = {},
): string {
  const header = options.header ?? { alg: "HS256", typ: "JWT" };
  const input = [header, options.claims ?? claims()].map(encode).join(".");
  const signature =
    options.signature?.(input) ??
    createHmac(options.hash ?? "sha256", options.key ?? SECRET)
      .update(input)
      .digest("base64url");
  return `${input}.${signature}`;
}

function encode(part: unknown): string {
  return Buffer.from(JSON.stringify(part)).toString("base64url");
}

const expected = { secrets: [SECRET], clientKey: CLIENT, method: "POST", url: URL_, baseUrl: BASE, nowMs: NOW };

function verdict(given: string, changes: Partial<Parameters<typeof verifyJwt>[1]> = {}): string {
  const result = verifyJwt(given, { ...expected, ...changes });
  return result.ok ? "good" : result.why;
}

describe("the hash of a request", () => {
  it("is the one in ten recorded webhooks of Bitbucket", () => {
    const recorded = "dbcf4dcadc2373d44fff39fd9ecf9442792238144d029aa2502f63a9b6ed6393";
    expect(qshOf("POST", "/bitbucket/webhook/", "")).toBe(recorded);
    expect(qshOf("post", "/bitbucket/webhook", "https://ci.example.com/")).toBe(recorded);
  });

  it.each([
    ["GET", "/", "", "GET&/&"],
    ["GET", "/a?", "", "GET&/a&"],
    ["GET", "/a?b=2&a=1&jwt=x.y.z", "", "GET&/a&a=1&b=2"],
    ["GET", "/a?a=2&a=1", "", "GET&/a&a=1,2"],
    ["GET", "/a?a=1,2", "", "GET&/a&a=1%2C2"],
    ["GET", "/a?user=%7Bu-1%7D&q=a+b", "", "GET&/a&q=a%20b&user=%7Bu-1%7D"],
    ["GET", "/a?a[b]=1", "", "GET&/a&a%5Bb%5D=1"],
    ["GET", "/a&b", "", "GET&/a%26b&"],
    ["GET", "/app/a?x=1", "https://example.com/app", "GET&/a&x=1"],
    ["GET", "/app/", "https://example.com/app/", "GET&/&"],
    ["GET", "/apples", "https://example.com/app", "GET&/apples&"],
    ["GET", "/a", "https://example.com/app", "GET&/a&"],
  ])("of %s %s below %p is over %p", (method, url, baseUrl, canonical) => {
    expect(qshOf(method, url, baseUrl)).toBe(sha256(canonical));
  });

  it("covers every parameter, however many there are", () => {
    const many = Array.from({ length: 1_500 }, (_, i) => `p${i}=1`).join("&");
    expect(qshOf("GET", `/a?${many}&user=1`, "")).not.toBe(qshOf("GET", `/a?${many}&user=2`, ""));
  });
});

describe("verifying a token", () => {
  it("believes one as Bitbucket makes it", () => {
    expect(verifyJwt(token(), expected)).toEqual({ ok: true, claims: claims() });
  });

  it("believes one of any secret it is given, and of no other", () => {
    expect(verdict(token(), { secrets: ["another", SECRET] })).toBe("good");
    expect(verdict(token(), { secrets: ["another"] })).toBe("signature");
    expect(verdict(token(), { secrets: [] })).toBe("signature");
  });

  it("never believes an empty secret", () => {
    expect(verdict(token({ key: "" }), { secrets: [""] })).toBe("signature");
  });

  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  it.each([
    ["alg none without a signature", `${token({ header: { alg: "none" } }).replace(/[^.]+$/, "")}`, "malformed"],
    ["alg none over a right signature", token({ header: { alg: "none" } }), "algorithm"],
    ["alg None", token({ header: { alg: "None" } }), "algorithm"],
    ["no alg", token({ header: { typ: "JWT" } }), "algorithm"],
    ["alg in lower case", token({ header: { alg: "hs256" } }), "algorithm"],
    ["HS384", token({ header: { alg: "HS384" }, hash: "sha384" }), "malformed"],
    ["HS512", token({ header: { alg: "HS512" }, hash: "sha512" }), "malformed"],
    ["HS512 in its header only", token({ header: { alg: "HS512" } }), "algorithm"],
    [
      "RS256",
      token({
        header: { alg: "RS256" },
        signature: (input) => sign("sha256", Buffer.from(input), privateKey).toString("base64url"),
      }),
      "malformed",
    ],
    ["RS256 in its header only", token({ header: { alg: "RS256" } }), "algorithm"],
    ["a key id", token({ header: { alg: "HS256", kid: "1" } }), "algorithm"],
    ["a key id of null", token({ header: { alg: "HS256", kid: null } }), "algorithm"],
    ["an extension that must be understood", token({ header: { alg: "HS256", crit: ["x"] } }), "algorithm"],
    ["the signature of a public key", token({ key: pem }), "signature"],
    ["the signature of another secret", token({ key: "another secret" }), "signature"],
    ["all zeros as its signature", token({ signature: () => "A".repeat(43) }), "signature"],
    ["no signature", token({ signature: () => "" }), "malformed"],
    ["a signature cut short", token().slice(0, -1), "malformed"],
    ["padding", `${token()}=`, "malformed"],
    ["a fourth part", `${token()}.x`, "malformed"],
    ["nothing", "", "malformed"],
    ["claims that are a list", token({ claims: [] }), "malformed"],
    ["claims that are text", token({ claims: "x" }), "malformed"],
    ["far too much in it", token({ claims: claims({ more: "x".repeat(5_000) }) }), "malformed"],
  ])("refuses one with %s", (_, given, why) => {
    expect(verdict(given, { secrets: [SECRET] })).toBe(why);
  });

  it("refuses claims that were changed after signing", () => {
    const [header, , signature] = token().split(".");
    expect(verdict([header, encode(claims({ exp: SECONDS + 9_999 })), signature].join("."))).toBe("signature");
  });

  it.each([
    ["issuer is another", { iss: "connection:2" }, "issuer"],
    ["issuer is missing", { iss: undefined }, "issuer"],
    ["issuer is a list", { iss: [CLIENT] }, "issuer"],
    ["issuer differs in case", { iss: CLIENT.toUpperCase() }, "issuer"],
    ["audience is another", { aud: "connection:2" }, "audience"],
    ["audience is null", { aud: null }, "audience"],
    ["audience is an empty list", { aud: [] }, "audience"],
    ["audience is a list of others", { aud: ["connection:2"] }, "audience"],
    ["expiry is missing", { exp: undefined }, "no-expiry"],
    ["expiry is text", { exp: String(SECONDS + 3600) }, "no-expiry"],
    ["expiry is null", { exp: null }, "no-expiry"],
    ["expiry has passed for a minute", { exp: SECONDS - 60 }, "expired"],
    ["beginning is over a minute away", { iat: SECONDS + 61 }, "not-yet"],
    ["beginning is text", { iat: "now" }, "not-yet"],
    ["nbf is over a minute away", { nbf: SECONDS + 61 }, "not-yet"],
    ["hash is missing", { qsh: undefined }, "query-hash"],
    ["hash is of another address", { qsh: sha256("POST&/bitbucket/uninstalled&") }, "query-hash"],
    ["hash is of another method", { qsh: sha256("GET&/bitbucket/webhooks&") }, "query-hash"],
    ["hash is of another query", { qsh: sha256("POST&/bitbucket/webhooks&a=1") }, "query-hash"],
    ["hash is the one of tokens without an address", { qsh: "context-qsh" }, "query-hash"],
    ["hash is a list", { qsh: [sha256("POST&/bitbucket/webhooks&")] }, "query-hash"],
  ])("refuses one whose %s", (_, changes, why) => {
    expect(verdict(token({ claims: claims(changes) }))).toBe(why);
  });

  it.each([
    ["no audience", { aud: undefined }],
    ["its audience in a list", { aud: ["connection:2", CLIENT] }],
    ["no beginning", { iat: undefined }],
    ["a beginning a minute ahead of our clock", { iat: SECONDS + 60, nbf: SECONDS + 60 }],
    ["an expiry not yet a minute ago", { exp: SECONDS - 59 }],
  ])("believes one with %s", (_, changes) => {
    expect(verdict(token({ claims: claims(changes) }))).toBe("good");
  });

  it("computes the hash below the path of the address the app is known under", () => {
    expect(verdict(token(), { url: "/app/bitbucket/webhooks", baseUrl: "https://example.com/app" })).toBe("good");
    expect(verdict(token(), { url: "/app/bitbucket/webhooks" })).toBe("query-hash");
  });

  it("takes the hash's token out of the address, wherever it stands", () => {
    expect(verdict(token(), { url: `${URL_}?jwt=${token()}` })).toBe("good");
  });
});

describe("the token we show", () => {
  const request = { appKey: "wharfinger", clientKey: CLIENT, secret: SECRET, nowMs: NOW };
  const path = "/site/oauth2/access_token";

  it("is ours, for this client, for one request and three minutes", () => {
    const made = appJwt({ ...request, method: "POST", path });
    const [header, payload, signature] = made.split(".");
    expect(JSON.parse(Buffer.from(header ?? "", "base64url").toString())).toEqual({ alg: "HS256", typ: "JWT" });
    expect(JSON.parse(Buffer.from(payload ?? "", "base64url").toString())).toEqual({
      iss: "wharfinger",
      sub: CLIENT,
      iat: SECONDS,
      exp: SECONDS + 180,
      qsh: sha256("POST&/site/oauth2/access_token&"),
    });
    expect(signature).toBe(createHmac("sha256", SECRET).update(`${header}.${payload}`).digest("base64url"));
  });

  it("can not be made with an empty secret", () => {
    expect(() => appJwt({ ...request, secret: "", method: "POST", path })).toThrow();
    expect(() => signJwt({ key: "", claims: {} })).toThrow();
  });

  it("is not one that Bitbucket would have made: we refuse it ourselves", () => {
    expect(verdict(appJwt({ ...request, method: "POST", path: URL_ }))).toBe("issuer");
  });
});

describe("reading a token before it is verified", () => {
  it("finds whom it says it is from", () => {
    expect(readIssuer(token({ key: "whatever" }))).toBe(CLIENT);
    for (const iss of [undefined, "", 7, [CLIENT]]) expect(readIssuer(token({ claims: claims({ iss }) }))).toBeNull();
    for (const text of ["", "a.b.c", "..", `e30.e30.${"A".repeat(43)}`]) expect(readIssuer(text)).toBeNull();
  });

  it("finds it in its header, and only there", () => {
    expect(readAuthorization("JWT a.b.c")).toBe("a.b.c");
    for (const header of [undefined, "", "a.b.c", "Bearer a.b.c", "jwt a.b.c", "JWT ", "JWT a.b.c, JWT d.e.f"]) {
      expect(readAuthorization(header)).toBeNull();
    }
    expect(readAuthorization(["JWT a.b.c"])).toBeNull();
  });
});
