/** What pages of the instance itself work with. */
import type { Connection } from "../engine/grants-port.ts";
import type { NamespaceDesk } from "../engine/namespace-desk.ts";
import type { Clock, Logger } from "../engine/ports.ts";
import type { RegistryDesk } from "../engine/registry-desk.ts";
import type { Replay } from "../engine/replay.ts";
import type { Status } from "../engine/status.ts";
import type { Store } from "../engine/store-port.ts";
import { field } from "./forms.ts";
import { nothingHere, type PageKit, type Show } from "./visit.ts";

/** Who builds, as this process knows it. */
export interface Builders {
  /** Null: this process builds nothing itself. */
  readonly here: { readonly builder: string; readonly worker: string; readonly concurrency: number } | null;
  /** Builders that asked over HTTP since the start, the last first; null: none may. */
  readonly asked: readonly { readonly address: string; readonly at: string }[] | null;
}

/** A connection without what opens it. */
export interface ListedConnection extends Pick<Connection, "id" | "workspace" | "login" | "repository" | "createdAt"> {
  /** We made its webhook, and may delete it. */
  readonly ownHook: boolean;
  /** Two secrets are accepted, until the change of secrets is finished. */
  readonly rotating: boolean;
}

export interface Operations {
  readonly status: Status;
  readonly store: Pick<Store, "workload" | "failures" | "auditAfter">;
  builders(): Builders;
  /** Newest first. */
  connections(): Promise<readonly ListedConnection[]>;
}

export interface AdminParts extends Omit<Operations, "store"> {
  readonly store: Operations["store"] &
    Pick<
      Store,
      | "stats"
      | "listInstallations"
      | "getInstallation"
      | "countRepositories"
      | "listAudit"
      | "listPauses"
      | "pausesOf"
      | "pause"
      | "resume"
      | "countBuilds"
    >;
  readonly preview: Replay["preview"];
  /** Left out: namespaces are not decided about here. */
  readonly namespaceDesk?: NamespaceDesk;
  /** Left out: registries are not looked after here. */
  readonly registryDesk?: RegistryDesk;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Pages of operators alone: for everybody else there is nothing. */
export function operatorsOnly(kit: PageKit): PageKit {
  const only =
    (show: Show): Show =>
    async (req, res, visit) => {
      if (visit.viewer.kind !== "operator") throw nothingHere(visit);
      await show(req, res, visit);
    };
  return {
    ...kit,
    page: (path, show) => kit.page(path, only(show)),
    form: (path, act, back) => kit.form(path, only(act), back),
    formPage: (path, show, act, read) => kit.formPage(path, only(show), only(act), read),
  };
}

/** A checkbox of a form. */
export function checked(req: Parameters<typeof field>[0], name: string): boolean {
  return field(req, name) !== "";
}

/** An entry of `/admin`'s own navigation. */
export type AdminPlace =
  | "overview"
  | "claims"
  | "installations"
  | "registries"
  | "queue"
  | "connections"
  | "audit"
  | "pause";

/** What every page of `/admin` has. */
export function adminPage<P extends AdminPlace>(
  title: string,
  place: P,
): { title: string; section: "admin"; place: P } {
  return { title, section: "admin", place };
}
