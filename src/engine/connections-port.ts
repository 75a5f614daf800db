/**
 * Making and ending the connections of grants-port.ts: a webhook that signs with a secret of ours, and the access token
 * that goes with it. Failures are sentences for the person who asked; nothing of what failed is left over unless they say so.
 */
import type { Outcome } from "../core/model.ts";
import type { Connection } from "./grants-port.ts";

/** What a connection is for. Each is a slug, or a uuid in braces. */
export interface ConnectionTarget {
  readonly workspace: string;
  /** Null: all repositories of the workspace. */
  readonly repository: string | null;
}

/** A connection as it may be shown: without its secrets and its token. */
export interface ShownConnection extends Omit<Connection, "secrets" | "token"> {
  /** Where its webhook sends to. */
  readonly url: string;
  /** Both the new secret and the one before it are accepted. */
  readonly rotating: boolean;
}

/** What a person has to enter in Bitbucket, because we may not. */
export interface ByHand {
  readonly why: string;
  readonly url: string;
  readonly secret: string;
  /** Empty: they stay as they are. */
  readonly events: readonly WebhookEvent[];
}

export interface WebhookEvent {
  /** `repo:push`. */
  readonly event: string;
  /** As Bitbucket's form calls it: `Repository: Push`. */
  readonly label: string;
}

/** `byHand` null: we have done it. `notes` are worth a look, but nothing is wrong. */
export interface ConnectionChange {
  readonly connection: ShownConnection;
  readonly byHand: ByHand | null;
  readonly notes: readonly string[];
}

/** `left` is what is still in Bitbucket, and where; null: nothing. */
export interface Disconnected {
  readonly connection: ShownConnection;
  readonly left: string | null;
}

/** Said while something takes a while: one sentence. */
export type Tell = (text: string) => void;

export interface Connections {
  /** Newest first. */
  list(): Promise<readonly ShownConnection[]>;
  connect(target: ConnectionTarget, token: string, tell: Tell): Promise<Outcome<ConnectionChange>>;
  /**
   * A new secret; the one before it stays accepted until {@link finishRotation}. While that is still to come, the same
   * new secret is put in place once more.
   */
  rotate(id: string, tell: Tell): Promise<Outcome<ConnectionChange>>;
  finishRotation(id: string): Promise<Outcome<ShownConnection>>;
  replaceToken(id: string, token: string, tell: Tell): Promise<Outcome<ConnectionChange>>;
  /** Deletes the webhook if we have created it; erases secrets and token in any case. */
  disconnect(id: string, tell: Tell): Promise<Outcome<Disconnected>>;
  /** Tries a connection's token and looks for its webhook; answers what is worth a look. */
  examine(connection: Connection): Promise<Outcome<readonly string[]>>;
}

export interface OpenConnections extends Connections {
  close(): Promise<void>;
}
