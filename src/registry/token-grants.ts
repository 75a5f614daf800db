/**
 * Who may do what in the registry. A client asks for scopes; its token holds those of them that its holder may have. What
 * can not be granted is left out and never refused: clients ask for more than they need, e.g. for the repository of
 * another account that once held the same layer, and go on without it.
 * https://distribution.github.io/distribution/spec/auth/scope/
 */

import type { StagingNames } from "./staging.ts";

export type Action = "pull" | "push" | "delete";

/** One entry of a token's `access`, as registries read it. */
export interface Access {
  readonly type: "repository" | "registry";
  readonly name: string;
  readonly actions: readonly string[];
}

/** A build that holds its lease. */
export interface BuildHolder {
  readonly kind: "build";
  readonly buildId: string;
  /** The repository it may push to; null: it pushes nothing. */
  readonly staging: string | null;
  /** When its lease ends, if no heartbeat prolongs it. Milliseconds since 1970. */
  readonly until: number;
}

/** Somebody with an access token of a namespace. */
export interface AccessHolder {
  readonly kind: "access";
  /** Without `whf_`. */
  readonly tokenId: string;
  readonly namespace: string;
  /** `push`: pulls as well. */
  readonly access: "pull" | "push";
  /** When the token ends. Milliseconds since 1970. */
  readonly until: number;
}

/** Somebody without credentials. */
export interface AnonymousHolder {
  readonly kind: "anonymous";
}

/** This service: it promotes, moves tags, and cleans up. Nobody signs in as it; it makes its tokens itself. */
export interface ServiceHolder {
  readonly kind: "service";
}

export type Holder = BuildHolder | AccessHolder | AnonymousHolder | ServiceHolder;

/** What is asked for, with every repository once. */
export interface WantedScopes {
  readonly repositories: ReadonlyMap<string, readonly Action[]>;
  /** The list of all repositories. */
  readonly catalog: boolean;
}

const ACTIONS: readonly Action[] = ["pull", "push", "delete"];
/** Of one request. Clients ask for a handful: the image they push, and some whose layers it shares. */
const MAX_REPOSITORIES = 32;
/** The registry's own limit. */
const MAX_NAME = 255;
const NAME = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*$/;

/** Reads all `scope` parameters of a request; each holds any number of scopes. What is no scope is left out. */
export function parseScopes(parameters: readonly string[]): WantedScopes {
  const repositories = new Map<string, readonly Action[]>();
  let catalog = false;
  for (const text of parameters.flatMap((parameter) => parameter.split(" "))) {
    // The name is whatever stands between the first colon and the last: it may itself hold `host:port/`.
    const [, type, name = "", actions = ""] = /^([^:]*):(.*):([^:]*)$/s.exec(text) ?? [];
    if (type === "registry" && name === "catalog" && actions === "*") catalog = true;
    if (type !== "repository" || name.length > MAX_NAME || !NAME.test(name)) continue;
    if (!repositories.has(name) && repositories.size === MAX_REPOSITORIES) continue;
    const wanted = new Set([...(repositories.get(name) ?? []), ...parseActions(actions)]);
    repositories.set(
      name,
      ACTIONS.filter((action) => wanted.has(action)),
    );
  }
  return { repositories, catalog };
}

/** `*` asks for all there are. In a token it would mean those to come as well, so each is granted by its name. */
function parseActions(text: string): readonly Action[] {
  const words = new Set(text.split(","));
  return words.has("*") ? ACTIONS : ACTIONS.filter((action) => words.has(action));
}

/** The repositories whose owner or visibility decides: those the holder wants to pull from, but for staging ones. */
export function undecided(wanted: WantedScopes, holder: Holder, staging: Pick<StagingNames, "has">): readonly string[] {
  if (holder.kind === "service") return [];
  return [...wanted.repositories]
    .filter(([name, actions]) => actions.includes("pull") && !staging.has(name))
    .map(([name]) => name);
}

/** The repositories somebody with an access token wants to push to, but for staging ones: what is theirs decides. */
export function contested(wanted: WantedScopes, staging: Pick<StagingNames, "has">): readonly string[] {
  return [...wanted.repositories]
    .filter(([name, actions]) => actions.includes("push") && !staging.has(name))
    .map(([name]) => name);
}

export interface GrantFacts {
  readonly staging: Pick<StagingNames, "has">;
  /** Those of the {@link undecided} repositories that the holder may pull from. */
  readonly pullable: ReadonlySet<string>;
  /** Those of the {@link contested} repositories that the holder may push to. */
  readonly pushable: ReadonlySet<string>;
}

/** The part of `wanted` that the holder may have. */
export function grant(wanted: WantedScopes, holder: Holder, facts: GrantFacts): readonly Access[] {
  const granted: Access[] = [];
  for (const [name, actions] of wanted.repositories) {
    const allowed = allowedIn(name, holder, facts);
    const both = actions.filter((action) => allowed.includes(action));
    if (both.length > 0) granted.push({ type: "repository", name, actions: both });
  }
  if (wanted.catalog && holder.kind === "service") {
    granted.push({ type: "registry", name: "catalog", actions: ["*"] });
  }
  return granted;
}

function allowedIn(name: string, holder: Holder, { staging, pullable, pushable }: GrantFacts): readonly Action[] {
  if (holder.kind === "service") return ACTIONS;
  if (holder.kind === "build" && name === holder.staging) return ["pull", "push"];
  if (staging.has(name)) return [];
  const pull: readonly Action[] = pullable.has(name) ? ["pull"] : [];
  return holder.kind === "access" && pushable.has(name) ? [...pull, "push"] : pull;
}

/** What of `wanted` is not in `granted`, each repository with the actions that are missing. */
export function leftOut(
  wanted: WantedScopes,
  granted: readonly Access[],
): readonly { readonly repository: string; readonly actions: readonly Action[] }[] {
  const had = new Map(granted.filter(({ type }) => type === "repository").map(({ name, actions }) => [name, actions]));
  return [...wanted.repositories]
    .map(([repository, actions]) => ({
      repository,
      actions: actions.filter((action) => !had.get(repository)?.includes(action)),
    }))
    .filter(({ actions }) => actions.length > 0);
}
