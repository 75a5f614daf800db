/** Whether somebody may do something, as their host says at that moment; for looking, as it said within a minute. */
import { oneLine } from "../core/markdown.ts";
import { type Actor, type HostId, hostKey, type Repository } from "../core/model.ts";
import { PROVIDER_NAMES } from "../core/provider-names.ts";
import { ACTIONS, type Action, mayDo } from "../core/roles.ts";
import type { Host, Logger } from "./ports.ts";
import type { SeenRoles } from "./seen-roles.ts";

/** What an action is about: of the installation, and of a repository of it where the action is one in a repository. */
export interface Place {
  readonly installation: HostId;
  readonly repository: Repository | null;
}

export type Authorization =
  | { readonly kind: "allowed" }
  /** `why`: a sentence for whoever tried. */
  | { readonly kind: "refused"; readonly why: string }
  /** Nobody knows, so it is not allowed. `retryAfter`: seconds, where the host said so. */
  | { readonly kind: "unknown"; readonly why: string; readonly retryable: boolean; readonly retryAfter: number | null };

export interface Authorizer {
  may(person: Actor, action: Action, place: Place): Promise<Authorization>;
}

export interface AuthorizerParts {
  readonly hosts: readonly Pick<Host, "provider" | "host" | "role">[];
  /** Left out: nothing is remembered. */
  readonly seen?: SeenRoles;
  readonly log: Logger;
}

export function createAuthorizer({ hosts, seen, log }: AuthorizerParts): Authorizer {
  return {
    async may(person, action, { installation, repository }) {
      const rule = ACTIONS[action];
      const { provider } = installation;
      const asked = rule.of === "repository" ? demand(repository, installation, action) : null;
      const fields = {
        action,
        actor: person.id,
        installation: hostKey(installation),
        ...(asked === null ? {} : { repository: hostKey(asked) }),
      };
      const what = `${oneLine(person.login)} may not ${rule.what}${asked === null ? "" : ` of ${asked.fullName}`}`;
      const refuse = (why: string, reason: string): Authorization => {
        log.warn({ ...fields, reason }, "somebody was refused");
        return { kind: "refused", why: `${what}: ${why}` };
      };
      if (rule.of === "instance") return refuse("that is for the operator of this instance.", "operator-only");
      const host = hosts.find((one) => one.provider === provider && one.host === installation.host);
      const role =
        host === undefined
          ? ({ ok: false, message: "That host is not configured here.", retryable: false, retryAfter: null } as const)
          : await (seen?.role(host, { action, installation, repository: asked }, person) ??
              host.role(installation, asked, person));
      if (!role.ok) {
        log.warn({ ...fields, reason: "role-unknown", why: role.message }, "nobody could say what somebody may do");
        const why = `Whether ${oneLine(person.login)} may ${rule.what} is not known, so nothing was done: ${role.message}`;
        return { kind: "unknown", why, retryable: role.retryable, retryAfter: role.retryAfter };
      }
      if (mayDo(role.value, action)) return { kind: "allowed" };
      const where = asked === null ? "in the account" : "there";
      return refuse(
        `that takes the role ${rule.least}; ${PROVIDER_NAMES[provider]} gives them ${role.value} ${where}.`,
        `role-${role.value}`,
      );
    },
  };
}

/** Whoever asks about another host's repository, or about none, has a bug; nobody's rights elsewhere must count here. */
function demand(repository: Repository | null, { provider, host }: HostId, action: Action): Repository {
  if (repository === null || repository.provider !== provider || repository.host !== host) {
    throw new Error(`${action} is about a repository of its installation's host`);
  }
  return repository;
}
