import { accessTokenId, shownTokenId } from "../core/access-tokens.ts";
import { leaseUser } from "../engine/credentials.ts";
import type { Clock, Logger } from "../engine/ports.ts";
import { createSignInGuard, type Refused } from "./sign-in-guard.ts";
import type { StagingNames } from "./staging.ts";
import {
  type Access,
  type AccessHolder,
  type Action,
  type AnonymousHolder,
  type BuildHolder,
  contested,
  grant,
  leftOut,
  undecided,
  type WantedScopes,
} from "./token-grants.ts";

/** Who has an account at the registry. */
export interface Accounts {
  /**
   * Who has this user name and password: the build whose lease it is, or whoever was given the access token; null: nobody
   * has, or not any more. Names and passwords are a stranger's words: compare in constant time.
   */
  verify(username: string, password: string): Promise<BuildHolder | AccessHolder | null>;
  /**
   * Those of `repositories` the holder may pull from: the public ones and, for a build, what its installation owns, for an
   * access token, what lies in its namespace. The names are legal, not necessarily of anything that exists; none is of a
   * staging repository.
   */
  pullable(holder: Guest, repositories: readonly string[]): Promise<ReadonlySet<string>>;
  /** Of each of `repositories`, names like those, whether the token may push to it; if not why, for the log. */
  pushable(holder: AccessHolder, repositories: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

/** Whoever is not the service itself. */
export type Guest = BuildHolder | AccessHolder | AnonymousHolder;

export interface Credential {
  readonly username: string;
  readonly password: string;
}

/** A guest, and what of the wanted scopes its token holds. */
export interface Admission {
  signIn(credential: Credential, from: string): Promise<BuildHolder | AccessHolder | Refused>;
  scopes(guest: Guest, wanted: WantedScopes): Promise<readonly Access[]>;
}

export interface AdmissionOptions {
  readonly accounts: Accounts;
  readonly staging: Pick<StagingNames, "has">;
  readonly clock: Clock;
  /** Told what was refused to whom: what is granted is silent about it, because clients ask for more than they need. */
  readonly log: Logger;
}

export function createAdmission({ accounts, staging, clock, log }: AdmissionOptions): Admission {
  const guard = createSignInGuard(clock);

  return {
    /** Guesses at leases are not counted: their secrets have 256 bits, and all builds of a machine come from one address. */
    async signIn({ username, password }, from) {
      const verify = () => accounts.verify(username, password);
      if (accessTokenId(password) === null) return (await verify()) ?? "wrong";
      const answer = await guard.ask(from, username, password, verify);
      if (answer === "slow-down") log.warn({ from, reason: "too-many-wrong" }, "an access token was not looked at");
      return answer;
    },

    async scopes(guest, wanted) {
      const names = undecided(wanted, guest, staging);
      const pullable = names.length === 0 ? new Set<string>() : await accounts.pullable(guest, names);
      const pushes = guest.kind === "access" ? contested(wanted, staging) : [];
      const answers =
        guest.kind === "access" && pushes.length > 0
          ? await accounts.pushable(guest, pushes)
          : new Map<string, string>();
      const pushable = new Set(pushes.filter((name) => answers.get(name) === "granted"));
      const access = grant(wanted, guest, { staging, pullable, pushable });
      // Of strangers there is no end, and nothing to find out.
      if (guest.kind === "anonymous") return access;
      const user = subjectOf(guest);
      for (const { repository, actions } of leftOut(wanted, access)) {
        const reason = staging.has(repository) ? "staging" : reasonFor(actions, answers.get(repository));
        log.warn({ user, repository, actions, reason }, "the registry was asked for more than its user may have");
      }
      return access;
    },
  };
}

/** `push`: what came of the wish to push, where there was one of somebody with an access token. */
function reasonFor(actions: readonly Action[], push: string | undefined): string {
  if (actions.includes("pull")) return "other-namespace";
  if (actions.includes("push")) return push ?? "builds-push-to-staging";
  return "nobody-deletes";
}

/** As the registry's log and its notifications call the actor: of an access token the id, which says who was given it. */
export function subjectOf(guest: Guest): string {
  switch (guest.kind) {
    case "access":
      return shownTokenId(guest.tokenId);
    case "build":
      return leaseUser(guest.buildId);
    case "anonymous":
      return "";
  }
}
