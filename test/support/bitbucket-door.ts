/** A workspace whose events reach the program, through either door. */

import { randomBytes } from "node:crypto";
import { v4 } from "uuid";
import { lifecycleDelivery } from "../../src/bitbucket/lifecycle-delivery.ts";
import { OPERATOR } from "../contract/store.by.ts";
import type { BitbucketHost, HostWorkspace } from "../hosts/bitbucket/index.ts";
import { eventually, type World } from "./world.ts";

export type Door = "connect" | "webhook";

export const DOORS: readonly Door[] = ["connect", "webhook"];

/** All a connection listens to. */
export const EVENTS = [
  "repo:push",
  "repo:updated",
  "repo:transfer",
  "repo:deleted",
  "repo:imported",
  "pullrequest:created",
  "pullrequest:updated",
  "pullrequest:fulfilled",
  "pullrequest:rejected",
] as const;

/** What an access token needs for everything but making webhooks. */
export const SCOPES = ["account", "repository", "pullrequest"] as const;

/** Opens the door for `slug`, and resolves when the program has recorded it as an installation. */
export async function openDoor(world: World, door: Door, slug: string): Promise<HostWorkspace> {
  const workspace = world.bitbucket.workspace(slug);
  if (door === "connect") await install(world, workspace);
  else await connect(world, world.bitbucket, workspace);
  await installed(world, workspace);
  return workspace;
}

export function installed(world: World, { uuid }: HostWorkspace, state = "active"): Promise<true> {
  return eventually(`installation ${uuid} ${state}`, async () => {
    const found = await world.store().getInstallation({ provider: "bitbucket", host: "default", id: uuid });
    return found?.state === state ? true : null;
  });
}

async function install(world: World, workspace: HostWorkspace): Promise<void> {
  const { status } = await world.bitbucket.install(workspace, { descriptor: `${world.url}/atlassian-connect.json` });
  if (status !== 204) throw new Error(`the install was answered ${status}`);
}

/** As `wharfinger connect bitbucket` leaves it. */
async function connect(world: World, bitbucket: BitbucketHost, workspace: HostWorkspace): Promise<void> {
  const id = v4();
  const secret = randomBytes(24).toString("base64url");
  const { token } = bitbucket.accessToken({ workspace, scopes: SCOPES });
  const { uuid, slug } = workspace;
  const account = { kind: "organization", login: slug } as const;
  bitbucket.addHook({ workspace, url: `${world.url}/webhooks/bitbucket/${id}`, events: EVENTS, secret });
  await world.store().addConnection(
    { id, workspace: uuid, ...account, repository: null, secrets: [secret], token, hook: null },
    lifecycleDelivery({
      event: "connected",
      host: "default",
      workspace: { uuid, slug, kind: account.kind },
      door: "webhook",
      id,
      nowMs: world.clock.now(),
    }),
    OPERATOR,
  );
}
