import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "@jest/globals";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { createMailNotifier } from "../../src/notify/mail.ts";

let server: SMTPServer | null = null;
afterEach(async () => {
  const open = server;
  server = null;
  if (open !== null) await new Promise<void>((closed) => open.close(() => closed()));
});

interface Received {
  readonly from: string;
  readonly to: readonly string[];
  readonly message: string;
}

/** A mail server of this machine; answers where it is, and what it took. */
async function listen(options: SMTPServerOptions = {}) {
  const received: Received[] = [];
  server = new SMTPServer({
    disabledCommands: ["STARTTLS"],
    authOptional: true,
    onData(stream, session, done) {
      text(stream).then((message) => {
        const { mailFrom, rcptTo } = session.envelope;
        received.push({
          from: mailFrom === false ? "" : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          message,
        });
        done();
      }, done);
    },
    ...options,
  });
  const listening = server;
  await new Promise<void>((ready) => listening.listen(0, "127.0.0.1", ready));
  const address = listening.server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { url: `smtp://127.0.0.1:${port}`, received };
}

const FROM = "Wharfinger <builds@acme.example>";
const NOTICE = { subject: "acme/api failed: branch ünïcode", text: "It failed.\n\n.\nThe end.\n", chat: "" };

describe("e-mail", () => {
  it("comes as plain text, under an id that stays, and says that nobody wrote it", async () => {
    const { url, received } = await listen();
    const mail = createMailNotifier({ url, from: FROM });
    expect(await mail.send("team@acme.example", NOTICE, "1.t1")).toMatchObject({ ok: true });
    const [{ from, to, message } = { from: "", to: [], message: "" }] = received;
    expect([from, to]).toEqual(["builds@acme.example", ["team@acme.example"]]);
    expect(message).toContain("Message-ID: <1.t1@acme.example>\r\n");
    expect(message).toContain("Auto-Submitted: auto-generated\r\n");
    expect(message).toMatch(/Content-Type: text\/plain; charset=utf-8\r\n/);
    expect(message).toMatch(/^From: Wharfinger <builds@acme\.example>\r$/m);
    expect(message).toMatch(/It failed\.\r\n\r\n\.\r\nThe end\./);
    expect(message).not.toContain("text/html");
  });

  it("goes to one address, and its subject is one line, whatever is in them", async () => {
    const { url, received } = await listen();
    const mail = createMailNotifier({ url, from: FROM });
    const subject = "failed\r\nBcc: all@acme.example";
    await mail.send("team@acme.example", { ...NOTICE, subject }, "1");
    await mail.send("team@acme.example,all@acme.example", NOTICE, "2");
    expect(received[0]?.to).toEqual(["team@acme.example"]);
    expect(received[0]?.message).not.toMatch(/^Bcc:/m);
    for (const { to } of received) expect(to).not.toContain("all@acme.example");
  });

  it.each([
    [450, true],
    [550, false],
  ])("that the server refuses with %i: tried again is %s", async (code, retryable) => {
    const refusal = Object.assign(new Error("no such user team@acme.example"), { responseCode: code });
    const { url } = await listen({ onRcptTo: (_address, _session, done) => done(refusal) });
    const mail = createMailNotifier({ url, from: FROM });
    expect(await mail.send("team@acme.example", NOTICE, "1")).toEqual({
      ok: false,
      message: `The mail server answered ${code}.`,
      retryable,
      retryAfter: null,
    });
  });

  it("signs in, and says without the password when it is not let in", async () => {
    const { url } = await listen({
      authOptional: false,
      allowInsecureAuth: true,
      onAuth: ({ username, password }, _session, done) =>
        username === "wharfinger" && password === "right" ? done(null, { user: username }) : done(new Error("no")),
    });
    const of = (password: string) =>
      createMailNotifier({ url: url.replace("//", `//wharfinger:${password}@`), from: FROM });
    expect(await of("right").verify()).toMatchObject({ ok: true });
    expect(await of("right").send("team@acme.example", NOTICE, "1")).toMatchObject({ ok: true });
    const refused = await of("wrong").verify();
    expect(refused).toMatchObject({ ok: false, message: "The mail server answered 535." });
  });

  it("is tried again where nobody answers", async () => {
    const { url } = await listen();
    const open = server;
    server = null;
    await new Promise<void>((closed) => open?.close(() => closed()));
    const mail = createMailNotifier({ url, from: FROM, timeoutMs: 1_000 });
    expect(await mail.send("team@acme.example", NOTICE, "1")).toMatchObject({
      ok: false,
      message: "The mail server could not be reached (ESOCKET).",
      retryable: true,
    });
  });
});
