/**
 * The audit log: every change of who may do what, with who made it. Entries are never changed and never deleted, and
 * written in the transaction of the change itself, so that neither is there without the other.
 */
import type { Actor, HostId, Provider } from "./model.ts";

/** Who made a change. Ids, because names change; the login is what it was at that time. */
export type By =
  /** Whoever has ADMIN_TOKEN, or the command line of the instance. */
  | { readonly kind: "operator" }
  /** Somebody a host vouched for, by id, when the change was made. */
  | { readonly kind: "person"; readonly provider: Provider; readonly host: string; readonly actor: Actor }
  /** A program with an API token. `id`: as lists show it, `wha_…`; the name is what the token was called. */
  | { readonly kind: "token"; readonly id: string; readonly name: string }
  /** An event of the host. `actor`: its sender, as the signed payload names them; null: it names nobody. */
  | { readonly kind: "host"; readonly provider: Provider; readonly host: string; readonly actor: Actor | null }
  /** This program by itself, by a rule it was given: a policy, a retention time. */
  | { readonly kind: "service" };

/** Whoever decides something: nobody's event, and no rule. */
export type Decider = Extract<By, { readonly kind: "operator" | "person" | "token" }>;

/** `noun.verb`, the verb in the past. Extend, never rename: people filter by them. */
export type AuditAction =
  | "installation.created"
  | "installation.restored"
  | "installation.removed"
  | "installation.suspended"
  | "installation.unsuspended"
  | "installation.permissions-changed"
  | "installation.renamed"
  | "installation.paused"
  | "installation.resumed"
  | "installation.purged"
  | "instance.paused"
  | "instance.resumed"
  | "repository.added"
  | "repository.removed"
  | "repository.renamed"
  | "repository.transferred"
  | "repository.archived"
  | "repository.unarchived"
  | "repository.made-private"
  | "repository.made-public"
  | "repository.deleted"
  | "repository.paused"
  | "repository.resumed"
  | "claim.made"
  | "claim.refused"
  | "claim.withdrawn"
  | "namespace.granted"
  | "namespace.revoked"
  | "namespace.code-made"
  | "namespace.code-refused"
  | "namespace.moved"
  | "policy.changed"
  | "build.approved"
  | "build.started"
  | "build.canceled"
  | "build.retried"
  | "image.shared"
  | "image.unshared"
  | "image.opened"
  | "image.closed"
  | "image.given"
  | "registry.saved"
  | "registry.removed"
  | "credential.saved"
  | "credential.removed"
  | "token.made"
  | "token.revoked"
  | "variable.saved"
  | "variable.removed"
  | "access.allowed"
  | "access.disallowed"
  | "notification.added"
  | "notification.removed"
  | "connection.made"
  | "connection.removed"
  | "key.rotated"
  | "settings.changed"
  | "setup.finished";

/** Whoever decided, as approvals and lists show them; null: the operator. */
export function actorOf(by: Decider): Actor | null {
  switch (by.kind) {
    case "operator":
      return null;
    case "person":
      return by.actor;
    case "token":
      return { id: by.id, login: `API token ${by.name}` };
  }
}

export interface AuditEntry {
  readonly by: By;
  readonly action: AuditAction;
  /** Whose it is; null: the instance's. */
  readonly installation: HostId | null;
  /** What was changed, for people: `acme`, `acme/api`, `forks`. */
  readonly subject: string;
  /** What else is worth knowing, by name. Of a secret its {@link fingerprint}, never more. */
  readonly facts: Readonly<Record<string, string>>;
}

export interface AuditRecord extends AuditEntry {
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly at: string;
}
