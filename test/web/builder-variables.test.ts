/** What owners have set, on its way to HTTP builders. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Variables } from "../../src/core/variables.ts";
import { CredentialsAnswer } from "../../src/web/builder-schema.ts";
import { type BuilderWorld, CLONE, openBuilderWorld } from "./builder-world.ts";

const KEY = "-----BEGIN KEY-----\nZm9vYmFyYmF6cXV4\n-----END KEY-----\n";

let world: BuilderWorld;
let set: Variables;
beforeEach(async () => {
  set = { variables: { LEVEL: "high", API: "set" }, secrets: { "npm-token": "npm_s3cret/token", key: KEY } };
  world = await openBuilderWorld({ set: () => set });
});
afterEach(() => world.close());

async function credentials(token: string): Promise<unknown> {
  const answer: unknown = await (await world.post("credentials", token)).json();
  expect(CredentialsAnswer.safeParse(answer).success).toBe(true);
  return answer;
}

describe("an HTTP builder", () => {
  it("is given variables and secrets with the lease's credentials, and nowhere else", async () => {
    const id = await world.queue();
    const claimed = await world.claim({ build: id });
    expect(JSON.stringify(claimed)).not.toMatch(/high|s3cret|Zm9v/);
    expect(await credentials(claimed.lease.token)).toMatchObject({ clone: CLONE, ...set });
    expect(JSON.stringify(await world.store.getBuild(id))).not.toMatch(/s3cret|Zm9v/);
  });

  it("that shows a secret shows stars, in whatever pieces it sends them, in the log and in what failed", async () => {
    const id = await world.queue();
    const { lease } = await world.claim({ build: id });
    await credentials(lease.token);
    const lines = [
      "token npm_s3cret/token.",
      `_authToken=${encodeURIComponent("npm_s3cret/token")}`,
      Buffer.from("user:npm_s3cret/token").toString("base64"),
      ...KEY.trim().split("\n"),
      "LEVEL=high",
    ];
    const text = `${lines.join("\n")}\n`;
    for (let at = 0; at < text.length; at += 5) await world.post("log", lease.token, text.slice(at, at + 5));
    const failed = { result: "failed", class: "build", message: `npm_s3cret/token was refused\n${KEY}` };
    await world.post("outcome", lease.token, failed);
    const log = await world.logOf(id);
    expect(log).toBe(
      `Set by owners: variables API, LEVEL; secrets key, npm-token\ntoken ***.\n_authToken=***\n${log.split("\n")[3]}\n***\n***\n***\nLEVEL=high\n`,
    );
    expect(log.split("\n")[3]).toMatch(/^dXNlcjp[\w=]?\*\*\*$/);
    expect(await world.failureOf(id)).toMatchObject({ message: "*** was refused *** *** *** " });
  });

  it("that asks again after they were changed shows neither the old nor the new, and the log says it once", async () => {
    const id = await world.queue();
    const { lease } = await world.claim({ build: id });
    await credentials(lease.token);
    set = { variables: {}, secrets: { "npm-token": "npm_new/token" } };
    await credentials(lease.token);
    await credentials(lease.token);
    await world.post("log", lease.token, "npm_s3cret/token npm_new/token\n");
    await world.post("outcome", lease.token, { result: "stopped" });
    expect((await world.logOf(id)).split("\n")).toEqual([
      "Set by owners: variables API, LEVEL; secrets key, npm-token",
      "Set by owners: secrets npm-token",
      "*** ***",
      "",
    ]);
  });

  it("is given nothing for the commit of a stranger", async () => {
    const pull = { number: 5, target: "main", fork: true };
    const id = await world.queue({ kind: "pull_request", pull, trust: "untrusted", push: false });
    const { lease } = await world.claim({ build: id });
    expect(await credentials(lease.token)).toEqual({ clone: CLONE, registry: null, variables: {}, secrets: {} });
    await world.post("outcome", lease.token, { result: "built", digest: null });
    expect(await world.logOf(id)).toBe("");
  });
});
