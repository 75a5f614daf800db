import type { ConnectCandidate, ConnectClient, Connection, GrantStore } from "../../src/engine/grants-port.ts";
import type { Clock, IncomingDelivery } from "../../src/engine/ports.ts";

export interface FakeGrants extends GrantStore {
  /** What was journalled, in order; each id once. */
  readonly deliveries: IncomingDelivery[];
}

interface Candidate extends Omit<ConnectCandidate, "attempts"> {
  attempts: number;
  triedAt: number;
  notBefore: number;
  leaseUntil: number;
}

const WAITING_FOR_A_CLIENT = 20;
const WAITING_IN_ALL = 1_000;

/** Grants in memory: keeps all that the port promises (fake-grants.test.ts), and nothing beyond the process. */
export function createFakeGrants(clock: Clock): FakeGrants {
  const deliveries: IncomingDelivery[] = [];
  /** The one proven last at the end. */
  const clients = new Map<string, ConnectClient>();
  /** In the order they came. */
  const candidates = new Map<string, Candidate>();
  /** The newest at the end. */
  const connections = new Map<string, Connection>();
  let ids = 0;

  function journal(delivery: IncomingDelivery): void {
    const known = deliveries.some(
      ({ provider, host, deliveryId }) =>
        provider === delivery.provider && host === delivery.host && deliveryId === delivery.deliveryId,
    );
    if (!known) deliveries.push(delivery);
  }

  function setLast(client: ConnectClient): void {
    clients.delete(client.clientKey);
    clients.set(client.clientKey, client);
  }

  /** Whoever has not been tried, or is being tried now, is not sent away. */
  function makeRoom(among: readonly Candidate[], limit: number): boolean {
    if (among.length < limit) return true;
    const [first] = among
      .filter(({ attempts, leaseUntil }) => attempts > 0 && leaseUntil <= clock.now())
      .toSorted((a, b) => a.triedAt - b.triedAt);
    if (first !== undefined) candidates.delete(first.id);
    return first !== undefined;
  }

  const newestFirst = () => [...connections.values()].reverse();

  return {
    deliveries,

    async connectClient(clientKey) {
      return clients.get(clientKey) ?? null;
    },

    async connectClientsOf(workspace) {
      return [...clients.values()]
        .filter((client) => client.workspace === workspace && client.state === "active")
        .reverse();
    },

    async addConnectCandidate({ clientKey, workspace, secret }) {
      if (clients.has(clientKey)) return false;
      const ofKey = [...candidates.values()].filter((candidate) => candidate.clientKey === clientKey);
      if (ofKey.some((same) => same.workspace === workspace && same.secret === secret)) return true;
      if (!makeRoom(ofKey, WAITING_FOR_A_CLIENT)) return false;
      if (!makeRoom([...candidates.values()], WAITING_IN_ALL)) return false;
      ids += 1;
      const id = `candidate-${ids}`;
      candidates.set(id, { id, clientKey, workspace, secret, attempts: 0, triedAt: -1, notBefore: 0, leaseUntil: 0 });
      return true;
    },

    async claimConnectCandidates({ limit, leaseMs }) {
      const now = clock.now();
      const due = [...candidates.values()]
        .filter(({ notBefore, leaseUntil }) => notBefore <= now && leaseUntil <= now)
        .toSorted((a, b) => a.triedAt - b.triedAt)
        .slice(0, limit);
      return due.map((candidate) => {
        candidate.attempts += 1;
        candidate.triedAt = now;
        candidate.leaseUntil = now + leaseMs;
        const { id, clientKey, workspace, secret, attempts } = candidate;
        return { id, clientKey, workspace, secret, attempts };
      });
    },

    async postponeConnectCandidate(id, notBefore) {
      const candidate = candidates.get(id);
      if (candidate === undefined) return;
      candidate.notBefore = Date.parse(notBefore);
      candidate.leaseUntil = 0;
    },

    async dropConnectCandidate(id) {
      candidates.delete(id);
    },

    async proveConnectCandidate(id, { kind, login }, delivery) {
      const proven = candidates.get(id);
      if (proven === undefined) return false;
      const { clientKey, workspace, secret } = proven;
      for (const other of candidates.values()) if (other.clientKey === clientKey) candidates.delete(other.id);
      setLast({ clientKey, workspace, kind, login, state: "active", secret });
      journal(delivery);
      return true;
    },

    async renewConnectClient(clientKey, { kind, login, secret }, delivery) {
      const client = clients.get(clientKey);
      if (client === undefined) return false;
      setLast({ ...client, kind, login, secret, state: "active" });
      journal(delivery);
      return true;
    },

    async removeConnectClient(clientKey, delivery) {
      const client = clients.get(clientKey);
      if (client?.state !== "active") return false;
      clients.set(clientKey, { ...client, state: "removed" });
      journal(delivery);
      return true;
    },

    async connection(id) {
      return connections.get(id) ?? null;
    },

    async connectionsOf(workspace) {
      return newestFirst().filter((connection) => connection.workspace === workspace);
    },

    async listConnections() {
      return newestFirst();
    },

    async addConnection(connection, delivery) {
      if (connection.secrets.length < 1 || connection.secrets.length > 2) {
        throw new RangeError("a connection has one secret, or two");
      }
      if (connections.has(connection.id)) throw new Error(`connection ${connection.id} exists`);
      connections.set(connection.id, { ...connection, createdAt: new Date(clock.now()).toISOString() });
      journal(delivery);
    },

    async changeConnection(id, { secret, token, hook }) {
      const before = connections.get(id);
      if (before === undefined) return false;
      const [current] = before.secrets;
      const replaced = secret !== undefined && secret !== current && current !== undefined;
      connections.set(id, {
        ...before,
        ...(replaced ? { secrets: [secret, current] } : {}),
        ...(token === undefined ? {} : { token }),
        ...(hook === undefined ? {} : { hook }),
      });
      return true;
    },

    async dropPreviousSecret(id) {
      const before = connections.get(id);
      if (before !== undefined) connections.set(id, { ...before, secrets: before.secrets.slice(0, 1) });
    },

    async removeConnection(id, delivery) {
      if (!connections.delete(id)) return false;
      journal(delivery);
      return true;
    },
  };
}
