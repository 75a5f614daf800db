import { randomUUID } from "node:crypto";
import { expect } from "@jest/globals";
import type { ConnectCandidate, Connection, GrantStore } from "../../src/engine/grants-port.ts";
import type { IncomingDelivery } from "../../src/engine/ports.ts";
import { delivery, type TestClock } from "./store.samples.ts";

/** Grants just made, and none given yet. */
export interface OpenedGrants {
  readonly grants: GrantStore;
  readonly clock: TestClock;
  /** Ids of all deliveries that were journalled, oldest first. */
  journalled(): Promise<readonly string[]>;
}

export const WORKSPACE = "{11111111-2222-4333-8444-555555555555}";
export const OTHER_WORKSPACE = "{99999999-2222-4333-8444-555555555555}";
export const ACME = { kind: "organization", login: "acme" } as const;

export function told(deliveryId: string = randomUUID()): IncomingDelivery {
  return delivery(deliveryId, {
    provider: "bitbucket",
    event: "installed",
    stream: `installation:${WORKSPACE}`,
    repositoryId: null,
    repositoryName: null,
    installationId: WORKSPACE,
  });
}

export function claim(clientKey: string, secret: string | null, workspace = WORKSPACE) {
  return { clientKey, workspace, secret };
}

export function connectionOf(id: string, more: Partial<Connection> = {}): Omit<Connection, "createdAt"> {
  return {
    id,
    workspace: WORKSPACE,
    ...ACME,
    repository: null,
    secrets: [`first secret of ${id}`],
    token: `token of ${id}`,
    hook: null,
    ...more,
  };
}

/** The candidate with this secret, claimed; the rest goes back to wait. */
export async function claimOne(grants: GrantStore, secret: string | null): Promise<ConnectCandidate> {
  const claimed = await grants.claimConnectCandidates({ limit: 2_000, leaseMs: 10_000 });
  const one = claimed.find((candidate) => candidate.secret === secret);
  if (one === undefined) throw new Error(`no candidate with the secret ${secret} is due`);
  for (const { id } of claimed)
    if (id !== one.id) await grants.postponeConnectCandidate(id, "2026-01-01T00:00:00.000Z");
  return one;
}

export async function proven(grants: GrantStore, clientKey: string, secret: string | null, workspace = WORKSPACE) {
  expect(await grants.addConnectCandidate(claim(clientKey, secret, workspace))).toBe(true);
  const { id } = await claimOne(grants, secret);
  expect(await grants.proveConnectCandidate(id, ACME, told())).toBe(true);
}
