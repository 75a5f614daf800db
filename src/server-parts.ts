/** What a server is put together from. */
import type { RequestHandler } from "express";
import type { Config } from "./config.ts";
import type { Outcome } from "./core/model.ts";
import type { GrantStore } from "./engine/grants-port.ts";
import type { Identity } from "./engine/identity-port.ts";
import type { DeliverySource } from "./engine/missed-port.ts";
import type { Notifier } from "./engine/notices-port.ts";
import type { PermissionBook } from "./engine/permissions-port.ts";
import type { Builder, Clock, Entrance, Host, Logger, LogStore, Reporter } from "./engine/ports.ts";
import type { RefReader } from "./engine/reconcile-port.ts";
import type { Registries } from "./engine/registries.ts";
import type { RegistryDesk } from "./engine/registry-desk.ts";
import type { RequestSigner } from "./engine/signing.ts";
import type { HostWatch } from "./engine/status.ts";
import type { Store } from "./engine/store-port.ts";
import type { VariableStore } from "./engine/variables-port.ts";
import type { HttpBuilderParts } from "./http-builders.ts";
import type { FramedReaders } from "./web/framed.ts";
import type { FramedSettings } from "./web/framed-settings.ts";
import type { RegistryDoors } from "./web/registry.ts";
import type { PageData } from "./web/views.ts";
import type { LEASE_MS, STOP_GRACE_MS } from "./worker.ts";

/** One Git host as the server uses it: the way in, the reading side, the reporting side. */
export interface HostParts {
  readonly entrances: readonly Entrance[];
  readonly host: Host;
  readonly reporter: Reporter;
  /** Where people install the App; left out: the host has no such page. */
  readonly installPage?: () => Promise<Outcome<string>>;
  /** What accounts there have given the app; left out: not told. */
  readonly permissions?: PermissionBook;
  /** What is left of the calls it lets us make; left out: not known. */
  readonly budgets?: HostWatch["budgets"];
  /** What it could not deliver; left out: it keeps nothing. */
  readonly missed?: DeliverySource;
  /** Reads branches and tags, to find what it tells nobody; left out: nothing is looked for. */
  readonly refs?: RefReader;
}

/** The Connect add-on: installs are proven before they count. */
export interface AddonParts {
  readonly prover: { step(): Promise<boolean> };
  /** What Bitbucket and the frames in its pages ask of us. `onCandidate`: there is an install to prove. */
  routes(given: {
    onCandidate(): void;
    /** A page of `views/`, in the layout. */
    render(view: string, data: PageData): string;
    readonly readers: FramedReaders;
    readonly settings: FramedSettings;
  }): Promise<RequestHandler>;
}

export interface Parts {
  readonly store: Store & VariableStore;
  readonly logs: LogStore;
  readonly registries: Registries;
  /** Left out: they are not looked after over the API. */
  readonly registryDesk?: RegistryDesk;
  /** What registries and their clients ask of us. */
  readonly registryDoors: RegistryDoors;
  readonly signer: RequestSigner;
  /** Null: others build, and claim what there is. */
  readonly builder: Builder | null;
  /** Left out: nobody builds over HTTP. */
  readonly httpBuilders?: HttpBuilderParts;
  readonly hosts: readonly HostParts[];
  /** Bitbucket's, newest first; left out: there are none. */
  readonly connections?: GrantStore["listConnections"];
  /** Null or left out: it is not served. */
  readonly addon?: AddonParts | null;
  /** Ways to tell people of builds; left out: nobody is told. */
  readonly notifiers?: readonly Notifier[];
  /** Hosts people can sign in with; left out: none. */
  readonly identities?: readonly Identity[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** What of the configuration the server itself uses; port 0 is any free one. */
export interface ServerSettings
  extends Pick<Config, "host" | "port" | "publicUrl" | "adminToken" | "namespaces" | "retention"> {
  readonly builds: Omit<Config["builds"], "cpus" | "diskBytes" | "resolver">;
  /** Folder with the templates. */
  readonly views: string;
  /** Requests a minute of one API token; left out: the usual. */
  readonly apiRate?: number;
  /** People who are operators, by `hostKey`; left out: nobody. */
  readonly operators?: readonly string[];
  /** Defaults: {@link LEASE_MS}, {@link STOP_GRACE_MS}. */
  readonly leaseMs?: number;
  /** Between two looks for what hosts could not deliver; left out: three minutes. */
  readonly missedMs?: number;
  /** Comparing branches and tags; left out: the usual. */
  readonly comparing?: {
    /** Between two looks for repositories whose turn it is. */
    readonly everyMs: number;
    /** How long what hosts tell may take to arrive. */
    readonly graceMs: number;
    /** From one repository to the next; left out: the usual. */
    readonly spacingMs?: number;
  };
  readonly stopGraceMs?: number;
}

export interface Running {
  /** Where it listens, e.g. `http://127.0.0.1:3000`. */
  readonly url: string;
  /** Takes nothing new, finishes or hands back what runs, closes the database. Safe to call twice. */
  stop(): Promise<void>;
}
