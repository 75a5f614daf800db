/** From a signed push to the e-mail and the chat message about its build, over a real mail server of this machine. */
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "@jest/globals";
import { SMTPServer } from "smtp-server";
import { ok } from "../../src/core/model.ts";
import type { Notifier } from "../../src/engine/notices-port.ts";
import type { BuildContext, BuildEnd } from "../../src/engine/ports.ts";
import { createMailNotifier } from "../../src/notify/mail.ts";
import { ADMIN_TOKEN, createWorld, digestOf, eventually, type World } from "../support/world.ts";

const FILE = "version: 1\nimages:\n  - { name: api, rules: [{ branch: main, tags: [latest] }] }\n";

let world: World | null = null;
let mails: SMTPServer | null = null;
afterEach(async () => {
  await world?.close();
  world = null;
  const server = mails;
  mails = null;
  if (server !== null) await new Promise<void>((closed) => server.close(() => closed()));
});

async function startMail(received: string[]): Promise<Notifier> {
  const server = new SMTPServer({
    disabledCommands: ["STARTTLS"],
    authOptional: true,
    onData(stream, _session, done) {
      text(stream).then((message) => {
        // Quoted-printable breaks lines where it likes.
        received.push(message.replace(/=\r\n/g, ""));
        done();
      }, done);
    },
  });
  mails = server;
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const address = server.server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return createMailNotifier({ url: `smtp://127.0.0.1:${port}`, from: "builds@acme.example" });
}

let broken = false;

async function build(context: BuildContext): Promise<BuildEnd> {
  context.log("RUN make\nmake: *** [all] Error 2\n");
  if (broken) {
    const failure = { class: "build", message: "RUN make: exit status 2" } as const;
    return { kind: "failed", failure, retryable: false };
  }
  return { kind: "built", image: { digest: digestOf(context.request.source.sha) } };
}

describe("notifications", () => {
  it("tell of a build that failed and of the one that works again, also after a restart, and end with the uninstall", async () => {
    const received: string[] = [];
    const chats: { readonly address: string; readonly chat: string }[] = [];
    const mail = await startMail(received);
    const chat: Notifier = {
      kind: "webhook",
      check: async () => ok(true),
      async send(address, notice) {
        chats.push({ address, chat: notice.chat });
        return ok(true);
      },
    };
    const at = await createWorld({ build, parts: (parts) => ({ ...parts, notifiers: [mail, chat] }) });
    world = at;
    const acme = at.github.organization("acme");
    const repository = await at.github.repository(acme, "api", { private: true });
    await repository.commit({ message: "Begin", files: { ".wharfinger.yml": FILE, Dockerfile: "FROM scratch\n" } });
    const installed = await at.github.install(acme, { repositories: [repository] });
    const path = `/installations/github/default/${installed.id}/notifications`;
    await eventually("the installation", async () => {
      const { items } = await at.api<{ items: { id: string }[] }>("/installations");
      return items[0] ?? null;
    });
    const add = (kind: string, address: string) =>
      fetch(`${at.url}/api/v1${path}`, {
        method: "POST",
        headers: { authorization: `Bearer ${ADMIN_TOKEN}`, "content-type": "application/json" },
        body: JSON.stringify({ kind, address }),
      });
    expect((await add("email", "team@acme.example")).status).toBe(201);
    expect((await add("webhook", "https://hooks.example/T0/secret")).status).toBe(201);

    broken = true;
    await at.github.push(repository, { message: "Break it", files: { "a.txt": "1" } });
    await eventually("an e-mail", () => received[0] ?? null);
    expect(received[0]).toContain("Subject: acme/api failed: branch main of acme/api");
    expect(received[0]).toContain("make: *** [all] Error 2");
    expect(received[0]).toMatch(/Build: +http:\/\/wharfinger\.test\/builds\//);
    await eventually("a message", () => chats[0] ?? null);
    expect(chats[0]).toMatchObject({ address: "https://hooks.example/T0/secret" });
    expect(chats[0]?.chat).toContain("RUN make: exit status 2");

    await at.restart();
    broken = false;
    await at.github.push(repository, { message: "Mend it", files: { "a.txt": "2" } });
    await eventually("another e-mail", () => received[1] ?? null);
    expect(received[1]).toContain("Subject: acme/api works again: branch main of acme/api");

    await at.github.uninstall(installed);
    const receipt = await eventually("the receipt", async () => {
      const { items } = await at.api<{
        items: { closedAt: string | null; items: { what: string; detail: string }[] }[];
      }>("/receipts");
      return items.find(({ closedAt }) => closedAt !== null) ?? null;
    });
    const item = receipt.items.find(({ what }) => what === "notifications");
    expect(item).toMatchObject({ state: "removed", count: 2 });
    expect(item?.detail).toMatch(/hooks\.example/);
    expect(JSON.stringify(receipt)).not.toContain("secret");
    expect(received).toHaveLength(2);
    expect(chats).toHaveLength(2);
  });
});
