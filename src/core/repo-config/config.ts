import type { Diagnostic, ForkPolicy, PlannedBuild } from "../model.ts";
import type { Pattern } from "../patterns.ts";
import type { Flavor, MetadataEntry } from "../tags/metadata-action.ts";

/** Where the file lives in a repository. */
export const CONFIG_FILE = ".wharfinger.yml";

/** `.wharfinger.yml`, version 1, with every default filled in and every pattern compiled. */
export interface RepoConfig {
  readonly images: readonly ImageConfig[];
  /** `owner/name` of further repositories the checkout needs. */
  readonly repositories: readonly string[];
  readonly forks: ForkPolicy;
  /** Texts that, in a head commit's message, ask for no build. */
  readonly skip: readonly string[];
}

/** What a newer change of the same branch or pull request does to builds of it: `cancel` also stops what runs. */
export type Supersede = PlannedBuild["supersede"];

export interface ImageConfig {
  /** Legal image name without namespace. */
  readonly name: string;
  readonly inputs: InputsConfig;
  readonly paths: { readonly include: readonly Pattern[]; readonly exclude: readonly Pattern[] } | null;
  readonly rules: readonly RuleConfig[];
  readonly supersede: Supersede;
  /** Of the entries in docker/metadata-action's words among its rules' tags. */
  readonly flavor: Flavor;
}

/** Text: a template with placeholders. Else an entry in docker/metadata-action's words. */
export type TagEntry = string | MetadataEntry;

export interface InputsConfig {
  readonly context: string;
  readonly dockerfile: string;
  readonly target: string | null;
  readonly testTarget: string | null;
  readonly platforms: readonly string[];
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly cache: boolean;
}

export interface RuleConfig {
  /** `images[0].rules[1]` */
  readonly path: string;
  readonly on:
    | { readonly kind: "branch"; readonly pattern: Pattern }
    | { readonly kind: "tag"; readonly pattern: Pattern }
    | { readonly kind: "semver"; readonly range: string; readonly prefix: string | null }
    | { readonly kind: "pull_request"; readonly pattern: Pattern };
  /** As listed; null: the default for this kind of rule. */
  readonly tags: readonly TagEntry[] | null;
  /** The image's inputs with the rule's own over them. */
  readonly inputs: InputsConfig;
  readonly push: boolean;
  /** Left out: the image's. */
  readonly supersede?: Supersede;
}

export interface ParsedConfig {
  /** Null when a diagnostic is an error. */
  readonly config: RepoConfig | null;
  readonly diagnostics: readonly Diagnostic[];
  /** `sha256:…` of the file. */
  readonly digest: string;
}

/** What is known of the file at one commit, or on one branch. */
export type ConfigFact =
  /** The planner said it needs none. */
  | { readonly kind: "not-asked" }
  | { readonly kind: "read"; readonly parsed: ParsedConfig }
  /** `hint`: a file with a similar name that is there. */
  | { readonly kind: "missing"; readonly hint: string | null }
  | { readonly kind: "unreadable"; readonly why: string }
  /** The commit is not there any more (force-pushed away before we looked), or the branch. */
  | { readonly kind: "gone" };
