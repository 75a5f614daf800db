/** What an installation's account has given the app, beside what the app asks for. */
import type { Installation } from "../core/model.ts";

export interface AskedPermission {
  /** As the host's pages call it. */
  readonly title: string;
  readonly level: "read" | "write";
  /** A clause for people: what does not work without it. */
  readonly without: string;
  /** Null: the host does not tell. */
  readonly given: boolean | null;
}

export interface PermissionReport {
  readonly asked: readonly AskedPermission[];
  /** Where an owner accepts what is missing; null: nothing is, or there is no such page. */
  readonly accept: string | null;
  /** Where an owner looks after the app, and removes it. */
  readonly manage: string;
}

/** Of one host. */
export type PermissionBook = (installation: Installation) => PermissionReport;
