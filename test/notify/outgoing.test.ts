import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { createOutgoing, type OutgoingOptions } from "../../src/notify/outgoing.ts";

const PRIVATE = "It leads to an address inside a private network, where nothing is sent.";

let server: Server | null = null;
afterEach(async () => {
  const open = server;
  server = null;
  if (open !== null) await new Promise((closed) => open.close(closed));
});

/** Answers of a resolver, by name. */
function resolving(names: Readonly<Record<string, readonly string[]>>): Pick<OutgoingOptions, "lookup"> {
  return {
    lookup: (host, done) => {
      const found = names[host];
      if (found === undefined) done(new Error("ENOTFOUND"), []);
      else
        done(
          null,
          found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
        );
    },
  };
}

describe("a request to an address that somebody gave", () => {
  const guarded = createOutgoing({
    network: "internet",
    timeoutMs: 1_000,
    ...resolving({
      "public.example": ["93.184.216.34"],
      "inside.example": ["10.0.0.7"],
      "both.example": ["93.184.216.34", "127.0.0.1"],
      "six.example": ["fd00::1"],
    }),
  });

  it.each([
    "https://127.0.0.1/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://192.168.1.1:8443/",
    "https://[fe80::1]/",
    "https://0.0.0.0/",
    "https://inside.example/",
    "https://both.example/",
    "https://six.example/",
  ])("is refused where it leads inside: %s", async (address) => {
    expect(await guarded.check(address)).toMatchObject({ ok: false, message: PRIVATE });
    expect(await guarded.post(address, {})).toMatchObject({ ok: false, message: PRIVATE, retryable: false });
  });

  it.each(["http://public.example/", "ftp://public.example/", "public.example", ""])(
    "is none to %j",
    async (address) => {
      expect(await guarded.check(address)).toMatchObject({ ok: false });
      expect(await guarded.post(address, {})).toMatchObject({ ok: false, retryable: false });
    },
  );

  it("may go where the internet is", async () => {
    expect(await guarded.check("https://public.example/")).toMatchObject({ ok: true });
    expect(await guarded.check("https://93.184.216.34/")).toMatchObject({ ok: true });
    expect(await guarded.check("https://nowhere.example/")).toMatchObject({
      ok: false,
      message: "The name nowhere.example leads nowhere.",
    });
  });

  it("asks again for every request where a name leads: it may have been moved inside meanwhile", async () => {
    let asked = 0;
    const moving = createOutgoing({
      network: "internet",
      lookup: (_host, done) => {
        asked += 1;
        done(null, [{ address: asked === 1 ? "93.184.216.34" : "127.0.0.1", family: 4 }]);
      },
    });
    expect(await moving.check("https://moving.example/")).toMatchObject({ ok: true });
    expect(await moving.post("https://moving.example/", {})).toMatchObject({ ok: false, message: PRIVATE });
    expect(asked).toBe(2);
  });

  it("does not say to which address it was, when nobody answers", async () => {
    server = createServer();
    await new Promise<void>((listening) => server?.listen(0, "127.0.0.1", listening));
    const { port } = server.address() as AddressInfo;
    const open = createOutgoing({ network: "host", timeoutMs: 1_000 });
    // It speaks no TLS.
    const answer = await open.post(`https://127.0.0.1:${port}/services/T0/secret`, {});
    expect(answer).toMatchObject({ ok: false, retryable: true });
    expect(JSON.stringify(answer)).not.toContain("secret");
  });
});
