/**
 * Intake, inbox and store as the server puts them together, behind a door that believes everybody. Arguments: the address
 * of the database, and `--early-ack` for the seeded bug: it says "stored" before anything is.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createInbox, type Inbox } from "../../src/engine/inbox.ts";
import type { Entrance } from "../../src/engine/ports.ts";
import { createIntake, serverLimits } from "../../src/intake/receive.ts";
import { migrateStore, openStore } from "../../src/store/store.ts";

const trusting: Entrance = {
  open({ path, headers }) {
    if (path !== "/hook") return null;
    return {
      maxBytes: 1_000_000,
      update: () => undefined,
      close: (body) => ({
        provider: "github",
        host: "default",
        deliveryId: String(headers["x-id"]),
        event: "push",
        action: null,
        stream: "repo:1",
        repositoryId: "1",
        repositoryName: "acme/api",
        installationId: "7",
        receivedAt: Date.now(),
        body,
      }),
    };
  },
};

function acknowledgeEarly(inbox: Inbox): Pick<Inbox, "accept"> {
  return {
    accept(delivery) {
      inbox.accept(delivery).catch(() => undefined);
      return Promise.resolve("stored");
    },
  };
}

async function main(url: string, early: boolean): Promise<void> {
  await migrateStore(url);
  const inbox = createInbox(await openStore({ url, clock: Date }));
  const intake = createIntake({ entrances: [trusting], inbox: early ? acknowledgeEarly(inbox) : inbox });
  const server = createServer(serverLimits(), (req, res) => {
    if (!intake.handle(req, res)) res.writeHead(404).end();
  });
  server.listen(0, "127.0.0.1", () => {
    process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
  });
}

await main(process.argv[2] ?? "", process.argv.includes("--early-ack"));
