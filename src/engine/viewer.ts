/** Who looks at pages or calls the API, and what they may: the one place that turns a viewer into an answer. */
import type { Decider } from "../core/audit.ts";
import { oneLine } from "../core/markdown.ts";
import type { Actor, HostId, Provider } from "../core/model.ts";
import { ACTIONS, type Action, type HostRole, mayDo } from "../core/roles.ts";
import type { Authorization, Authorizer, Place } from "./authorize.ts";
import type { Vouched } from "./sessions-port.ts";

/** Somebody a host has vouched for. Identity is (provider, host, actor.id); the login is what it was at that time. */
export interface Person {
  readonly provider: Provider;
  readonly host: string;
  readonly actor: Actor;
}

export type Viewer =
  /** `person`: who it is, where they signed in on a host and are one of the operators; null: whoever has ADMIN_TOKEN. */
  | { readonly kind: "operator"; readonly person: Person | null }
  /** `vouched`: roles the host tells nobody but them, as it said not long ago; left out: none. */
  | { readonly kind: "person"; readonly person: Person; readonly vouched?: readonly Vouched[] }
  /** A program with an API token of one installation, which has a role there instead of asking a host for one. */
  | {
      readonly kind: "token";
      /** As lists show it: `wha_…`. */
      readonly id: string;
      readonly name: string;
      readonly installation: HostId;
      readonly role: Exclude<HostRole, "none">;
    };

/** Whether somebody may do something there. Operators may do everything; people what their host says, by id. */
export async function mayAs(
  authorizer: Authorizer,
  viewer: Viewer,
  action: Action,
  place: Place,
): Promise<Authorization> {
  switch (viewer.kind) {
    case "operator":
      return { kind: "allowed" };
    case "person": {
      const { provider, host, actor } = viewer.person;
      const { installation } = place;
      // An id means nothing on another host, where it may be somebody else's.
      if (provider === installation.provider && host === installation.host) {
        const told = viewer.vouched?.find((one) => one.installation.id === installation.id);
        if (told !== undefined) return mayAsTold(told, viewer.person, action, place);
        return authorizer.may(actor, action, place);
      }
      return { kind: "refused", why: "You are signed in with an account of another host." };
    }
    case "token": {
      const { installation } = place;
      const own =
        viewer.installation.provider === installation.provider &&
        viewer.installation.host === installation.host &&
        viewer.installation.id === installation.id;
      if (own && ACTIONS[action].of !== "instance" && mayDo(viewer.role, action)) return { kind: "allowed" };
      const why = own
        ? `This API token has the role ${viewer.role}; that takes ${ACTIONS[action].least}.`
        : "This API token is for another installation.";
      return { kind: "refused", why };
    }
  }
}

function mayAsTold(told: Vouched, { actor }: Person, action: Action, { repository }: Place): Authorization {
  const { of, least, what } = ACTIONS[action];
  const role = of === "repository" ? roleIn(told, repository?.id ?? "") : told.role;
  if (of !== "instance" && mayDo(role, action)) return { kind: "allowed" };
  return {
    kind: "refused",
    why: `${oneLine(actor.login)} may not ${what}: that takes the role ${least}, and theirs is ${role}.`,
  };
}

function roleIn({ repositories }: Vouched, id: string): HostRole {
  return (Object.hasOwn(repositories, id) ? repositories[id] : undefined) ?? "none";
}

/** For the audit log. */
export function deciderOf(viewer: Viewer): Decider {
  if (viewer.kind === "token") return { kind: "token", id: viewer.id, name: viewer.name };
  return viewer.person === null ? { kind: "operator" } : { kind: "person", ...viewer.person };
}
