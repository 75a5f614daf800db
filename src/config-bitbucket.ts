/** The Bitbucket part of the configuration. */
import { type Environment, isSet, type Values } from "./config-table.ts";

export interface BitbucketConfig {
  readonly url: string;
  /** Without `/2.0`. */
  readonly apiUrl: string;
  readonly appKey: string;
  /** Null: each install of the Connect add-on brings its own. */
  readonly appSecret: string | null;
  readonly clientId: string | null;
  readonly clientSecret: string | null;
  /** The Connect add-on is served. */
  readonly connect: boolean;
}

const CONNECT_VARIABLES = ["BITBUCKET_URL", "BITBUCKET_API_URL", "BITBUCKET_APP_KEY", "BITBUCKET_APP_SECRET"] as const;

/** Whoever sets any of its variables wants the Connect add-on; for others neither it nor its library is there. */
export function servesConnect(env: Environment): boolean {
  return CONNECT_VARIABLES.some((name) => isSet(env, name));
}

export function bitbucketOf(values: Values, env: Environment): BitbucketConfig {
  return {
    url: values.BITBUCKET_URL,
    apiUrl: values.BITBUCKET_API_URL,
    appKey: values.BITBUCKET_APP_KEY,
    appSecret: values.BITBUCKET_APP_SECRET,
    clientId: values.BITBUCKET_CLIENT_ID,
    clientSecret: values.BITBUCKET_CLIENT_SECRET,
    connect: servesConnect(env),
  };
}

/** atlassian-connect-express reads these by itself: `AC_OPTS=no-auth` lets anybody in, others replace our own settings. */
export function overridesOfConnect(env: Environment): { variable: string; wrong: string; todo: string }[] {
  const set = Object.keys(env).filter((name) => name.startsWith("AC_") && env[name] !== "" && env[name] !== undefined);
  return set.sort().map((variable) => ({
    variable,
    wrong: "is set, which changes what the Bitbucket add-on lets in behind Wharfinger's back",
    todo: "unset it",
  }));
}
