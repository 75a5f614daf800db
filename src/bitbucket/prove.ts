import { randomUUID } from "node:crypto";
import { failed, type Outcome, ok } from "../core/model.ts";
import type { ConnectCandidate, ConnectClient, GrantStore } from "../engine/grants-port.ts";
import { isoTime } from "../engine/loop.ts";
import type { Clock, Logger } from "../engine/ports.ts";
import type { BitbucketAccess } from "./access.ts";
import { workspaceSchema } from "./answers.ts";
import { type ApiAnswer, apiPath, refusal } from "./api.ts";
import type { ConnectClients } from "./clients.ts";
import { lifecycleDelivery } from "./lifecycle-delivery.ts";
import { accountSchema, membershipsSchema } from "./members.ts";

/** Seconds until the next try. Bitbucket may know of an install only some time after it has told us. */
const REFUSED_WAITS = [5, 15, 45, 135];
/** Seconds, doubled with every try, while Bitbucket does not answer. */
const AWAY_WAIT = 10;
const LONGEST_AWAY_WAIT = 600;
/** At the same time. */
const CANDIDATES = 4;
/** Longer than the calls of one proof can take. */
const LEASE_MS = 180_000;
/** Of candidates that were refused; the store keeps no more of them. */
const REMEMBERED = 1_000;

export interface ProverOptions {
  readonly access: Pick<BitbucketAccess, "host" | "callWith" | "forget">;
  readonly grants: Pick<
    GrantStore,
    "claimConnectCandidates" | "postponeConnectCandidate" | "dropConnectCandidate" | "proveConnectCandidate"
  >;
  readonly clients: Pick<ConnectClients, "forget">;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Proves installs of the Connect app, or drops them. `step` answers true when there were some. */
export function createProver(options: ProverOptions): { step(): Promise<boolean> } {
  const refusals = new Map<string, number>();

  async function settle(candidate: ConnectCandidate): Promise<void> {
    const proof = await prove(options, candidate);
    if (!proof.ok && proof.retryable) return postpone(candidate, proof.message, awaySeconds(candidate, proof));
    if (!proof.ok) return refuse(candidate, proof.message);
    refusals.delete(candidate.id);
    await accept(options, candidate, proof.value);
  }

  async function refuse(candidate: ConnectCandidate, why: string): Promise<void> {
    const { id, clientKey, workspace } = candidate;
    const before = refusals.get(id) ?? 0;
    const wait = REFUSED_WAITS[before];
    refusals.delete(id);
    if (wait === undefined) {
      await options.grants.dropConnectCandidate(id);
      options.log.warn(
        { clientKey, workspace, why },
        "an install of the Connect app could not be proven and is dropped",
      );
      return;
    }
    for (const oldest of refusals.keys()) {
      if (refusals.size < REMEMBERED) break;
      refusals.delete(oldest);
    }
    refusals.set(id, before + 1);
    await postpone(candidate, why, wait);
  }

  async function postpone({ id, clientKey, workspace }: ConnectCandidate, why: string, seconds: number): Promise<void> {
    await options.grants.postponeConnectCandidate(id, isoTime(options.clock.now() + seconds * 1000));
    options.log.info({ clientKey, workspace, why, seconds }, "an install of the Connect app is not proven yet");
  }

  return {
    async step() {
      const candidates = await options.grants.claimConnectCandidates({ limit: CANDIDATES, leaseMs: LEASE_MS });
      await Promise.all(candidates.map(settle));
      return candidates.length > 0;
    },
  };
}

function awaySeconds({ attempts }: ConnectCandidate, { retryAfter }: { readonly retryAfter: number | null }): number {
  return Math.max(retryAfter ?? 0, Math.min(LONGEST_AWAY_WAIT, AWAY_WAIT * 2 ** Math.min(attempts - 1, 10)));
}

async function accept(
  { access, grants, clients, clock, log }: ProverOptions,
  candidate: ConnectCandidate,
  account: Pick<ConnectClient, "kind" | "login">,
): Promise<void> {
  const { id, clientKey, workspace } = candidate;
  const { kind, login } = account;
  const delivery = lifecycleDelivery({
    event: "installed",
    host: access.host,
    workspace: { uuid: workspace, slug: login, kind },
    door: "connect",
    id: randomUUID(),
    nowMs: clock.now(),
  });
  // False: another candidate of this client was proven meanwhile, or took this one's place.
  const proven = await grants.proveConnectCandidate(id, account, delivery);
  clients.forget(clientKey);
  access.forget(workspace);
  if (proven) log.info({ clientKey, workspace, login }, "an install of the Connect app is proven");
}

/**
 * The secret must open, at the Bitbucket we are configured for, something that is not public, of the very workspace the
 * install claims. A token alone proves nothing of that workspace: whoever has installed the app in one could claim another.
 */
async function prove(
  { access }: ProverOptions,
  { clientKey, secret, workspace }: ConnectCandidate,
): Promise<Outcome<Pick<ConnectClient, "kind" | "login">>> {
  const ask: Ask = (path) => access.callWith({ clientKey, secret }, { method: "GET", path });
  const person = await personBehind(ask);
  if (!person.ok) return person;
  if (person.value !== null && person.value !== workspace) {
    // It opens all workspaces this person is a member of, none of which has installed anything.
    return failed("Its secret belongs to a person, not to the workspace it claims.", { retryable: false });
  }
  if (person.value === null) {
    const listed = await readMembers(ask, workspace);
    if (!listed.ok) return listed;
  }
  const found = await ask(apiPath(["workspaces", workspace]));
  if (!found.ok) return found;
  if (found.value.status !== 200) return refusal(found.value);
  const named = workspaceSchema.safeParse(found.value.body);
  if (!named.success || named.data.uuid !== workspace) {
    return failed("Bitbucket knows the workspace it claims under another uuid.", { retryable: false });
  }
  const { slug, is_personal: personal } = named.data;
  return ok({ kind: personal === true || person.value !== null ? "user" : "organization", login: slug });
}

type Ask = (path: string) => Promise<Outcome<ApiAnswer>>;

/** Uuid of the person whose token it is; null: it is not a person's. Only the account itself is told this. */
async function personBehind(ask: Ask): Promise<Outcome<string | null>> {
  const answer = await ask(apiPath(["user"]));
  if (!answer.ok) return answer;
  // With a form it was the exchange that was refused: the secret is not Bitbucket's.
  if (answer.value.request.form !== undefined) return refusal(answer.value);
  if ([401, 403, 404].includes(answer.value.status)) return ok(null);
  const account = answer.value.status === 200 ? accountSchema.safeParse(answer.value.body) : null;
  if (account?.success !== true) return refusal(answer.value);
  return ok(account.data.type === "user" ? account.data.uuid : null);
}

/** Only members and the workspace itself may list who belongs to it. What Bitbucket says of a workspace itself is public. */
async function readMembers(ask: Ask, workspace: string): Promise<Outcome<true>> {
  const answer = await ask(apiPath(["workspaces", workspace, "permissions"], { pagelen: "10" }));
  if (!answer.ok) return answer;
  if (answer.value.status !== 200) return refusal(answer.value);
  const members = membershipsSchema.safeParse(answer.value.body).data?.values ?? [];
  const areOurs = members.every((member) => (member.workspace?.uuid ?? workspace) === workspace);
  return members.length > 0 && areOurs
    ? ok(true)
    : failed("Bitbucket listed no members of the workspace it claims.", { retryable: false });
}
