/** With which hosts people can sign in. */
import { createBitbucketIdentity } from "./bitbucket/oauth.ts";
import { type Config, githubApps } from "./config.ts";
import type { GrantStore } from "./engine/grants-port.ts";
import type { Identity } from "./engine/identity-port.ts";
import type { Clock, Logger } from "./engine/ports.ts";
import { createGithubIdentity } from "./github/oauth.ts";
import { signInPath } from "./web/addresses.ts";

/** The hosts whose client id and secret are configured. */
export function createIdentities(
  { bitbucket, publicUrl, ...config }: Pick<Config, "github" | "githubHosts" | "bitbucket" | "publicUrl">,
  { grants, ...given }: { readonly clock: Clock; readonly log: Logger; readonly grants: GrantStore },
): readonly Identity[] {
  const found: Identity[] = [];
  for (const { host, appId, clientId, clientSecret, url: webUrl, apiUrl } of githubApps(config)) {
    if (clientId === null || clientSecret === null) continue;
    const redirectUri = `${publicUrl}${signInPath({ provider: "github", host })}/callback`;
    found.push(createGithubIdentity({ ...given, host, appId, clientId, clientSecret, webUrl, apiUrl, redirectUri }));
  }
  const { clientId, clientSecret, url: webUrl, apiUrl } = bitbucket;
  if (clientId !== null && clientSecret !== null) {
    found.push(createBitbucketIdentity({ host: "default", clientId, clientSecret, webUrl, apiUrl, grants }));
  }
  return found;
}
