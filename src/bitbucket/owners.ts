import { type Actor, failed, type Outcome, ok } from "../core/model.ts";
import type { ConnectClient } from "../engine/grants-port.ts";
import type { Clock } from "../engine/ports.ts";
import type { BitbucketAccess } from "./access.ts";
import { type ApiAnswer, type ApiRequest, apiPath, misshapen, nextPage, refusal } from "./api.ts";
import { membershipsSchema, nameOf } from "./members.ts";

/** Whoever loses the role keeps what it shows for so many milliseconds. */
const MEMORY_MS = 60_000;
const MEMORY_SIZE = 1_000;
/** Of 100 owners each. */
const MAX_PAGES = 10;

/** Whether `user` owns the workspace a client is installed in, as Bitbucket says now. Null: they do not. */
export type OwnerCheck = (client: ConnectClient, user: string) => Promise<Outcome<Actor | null>>;

export function createOwnerCheck({
  access,
  clock,
}: {
  readonly access: Pick<BitbucketAccess, "callWith">;
  readonly clock: Clock;
}): OwnerCheck {
  const known = new Map<string, { readonly askedAt: number; readonly owners: Owners }>();
  const among = (owners: Owners, id: string): Actor | null => {
    const login = owners.get(id);
    return login === undefined ? null : { id, login };
  };
  return async (client, user) => {
    const remembered = known.get(client.clientKey);
    const age = remembered === undefined ? -1 : clock.now() - remembered.askedAt;
    if (remembered !== undefined && age >= 0 && age < MEMORY_MS) return ok(among(remembered.owners, user));
    const askedAt = clock.now();
    const { clientKey, secret, workspace } = client;
    const owners = await readOwners((request) => access.callWith({ clientKey, secret }, request), workspace);
    if (!owners.ok) return owners;
    known.delete(client.clientKey);
    for (const oldest of known.keys()) {
      if (known.size < MEMORY_SIZE) break;
      known.delete(oldest);
    }
    known.set(client.clientKey, { askedAt, owners: owners.value });
    return ok(among(owners.value, user));
  };
}

/** What people are called, by their uuid. */
export type Owners = ReadonlyMap<string, string>;

/** Who owns a workspace, asked by `ask`, which must be with an install's own token: access tokens may not ask. */
export async function readOwners(
  ask: (request: ApiRequest) => Promise<Outcome<ApiAnswer>>,
  workspace: string,
): Promise<Outcome<Owners>> {
  const owners = new Map<string, string>();
  const query = { q: 'permission="owner"', pagelen: "100" };
  let request: ApiRequest | null = { method: "GET", path: apiPath(["workspaces", workspace, "permissions"], query) };
  for (let page = 0; request !== null; page += 1) {
    if (page === MAX_PAGES) return failed("The workspace has more owners than are looked at.", { retryable: false });
    const answer: Outcome<ApiAnswer> = await ask(request);
    if (!answer.ok) return answer;
    if (answer.value.status !== 200) return refusal(answer.value);
    const members = membershipsSchema.safeParse(answer.value.body);
    if (!members.success) return misshapen(answer.value);
    for (const { permission, user, workspace: where } of members.data.values) {
      // Whether the filter was understood is not for the filter to say.
      if (permission === "owner" && (where?.uuid ?? workspace) === workspace) owners.set(user.uuid, nameOf(user));
    }
    request = nextPage(answer.value);
  }
  return ok(owners);
}
