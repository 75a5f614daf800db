/** What the setup wizard does, page by page. Everything can be done again until it is finished, which is for good. */
import type { Outcome } from "../core/model.ts";
import type { ConnectionChange, ConnectionTarget, ShownConnection } from "./connections-port.ts";
import type { Trial } from "./registry-desk.ts";

export type SetupStep = "address" | "github" | "bitbucket" | "registry" | "builder" | "operator";

/** A variable of the configuration, as far as it is set. */
export interface SetupSetting {
  /** `environment`: the wizard can not change it. */
  readonly from: "environment" | "database";
  /** Null: a secret. */
  readonly value: string | null;
}

/** Something of a form, or of the whole, to put right. */
export interface SetupProblem {
  readonly variable: string;
  /** Follows the name: `is not an address`. */
  readonly wrong: string;
  readonly todo: string;
  /** Where that is done; left out: on the page that shows it. */
  readonly step?: SetupStep;
}

export interface SetupState {
  readonly publicUrl: string;
  /** Only this machine reaches it. */
  readonly local: boolean;
  /** By the variable's name; what is not there is not set. */
  readonly settings: Readonly<Record<string, SetupSetting>>;
  readonly connections: readonly ShownConnection[];
  readonly done: ReadonlySet<SetupStep>;
  /** What has to be put right before it can be finished. */
  readonly problems: readonly SetupProblem[];
}

export interface AppOrder {
  readonly name: string;
  /** Whose App it is to be; null: of whoever registers it. */
  readonly organization: string | null;
  /** Of GitHub: what people open, and its API; null: follows from it. */
  readonly webUrl: string;
  readonly apiUrl: string | null;
  /** Others than its owner may install it. */
  readonly open: boolean;
  /** Where GitHub is to send events instead of to our own address: a channel that hands them on; null: to us. */
  readonly webhookUrl: string | null;
  /** Permissions of app.yml that are left out. */
  readonly without: readonly string[];
}

/** A form for GitHub, to be sent by the operator's browser. */
export interface AppForm {
  readonly action: string;
  readonly manifest: string;
}

export interface TokenTrust {
  /** Where the certificates are on this machine. */
  readonly path: string;
  /** PEM; public. */
  readonly certificates: string;
  /** What the registry's configuration has to say, as YAML. */
  readonly config: string;
}

export interface SetupEnd {
  /** Where the App is installed on accounts; null: there is none, or GitHub did not say. */
  readonly installUrl: string | null;
  readonly publicUrl: string;
}

export interface SetupDesk {
  state(): Promise<SetupState>;
  /** All or nothing; null takes one away. Empty: saved. */
  save(values: Readonly<Record<string, string | null>>): Promise<readonly SetupProblem[]>;
  /** Asks what answers at the public address whether it is this very process. */
  tryAddress(): Promise<Trial>;
  tryGithub(): Promise<Trial>;
  tryRegistry(): Promise<readonly Trial[]>;
  tryBuilder(): Promise<readonly Trial[]>;
  /** What GitHub is asked to make; the answer comes back to {@link takeApp}, within the hour and once. */
  orderApp(order: AppOrder): Promise<AppForm | readonly SetupProblem[]>;
  /** Fetches what GitHub has made, and keeps it. Answers its name. */
  takeApp(code: string, state: string): Promise<Outcome<string>>;
  connect(target: ConnectionTarget, token: string): Promise<Outcome<ConnectionChange>>;
  /** Null: the registry has user names, or none is set. */
  trust(): Promise<TokenTrust | null>;
  /** Either it is finished, or what is in the way: at least one thing. */
  finish(): Promise<SetupEnd | readonly SetupProblem[]>;
}
