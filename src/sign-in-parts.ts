/** With which hosts people can sign in. */
import { createBitbucketIdentity } from "./bitbucket/oauth.ts";
import type { Config } from "./config.ts";
import type { GrantStore } from "./engine/grants-port.ts";
import type { Identity } from "./engine/identity-port.ts";
import type { Clock, Logger } from "./engine/ports.ts";
import { createGithubIdentity } from "./github/oauth.ts";

/** The hosts whose client id and secret are configured. */
export function createIdentities(
  { github, bitbucket, publicUrl }: Pick<Config, "github" | "bitbucket" | "publicUrl">,
  { grants, ...given }: { readonly clock: Clock; readonly log: Logger; readonly grants: GrantStore },
): readonly Identity[] {
  const found: Identity[] = [];
  if (github !== null && github.clientId !== null && github.clientSecret !== null) {
    const { appId, clientId, clientSecret, url: webUrl, apiUrl } = github;
    const redirectUri = `${publicUrl}/auth/github/callback`;
    found.push(
      createGithubIdentity({ ...given, host: "default", appId, clientId, clientSecret, webUrl, apiUrl, redirectUri }),
    );
  }
  const { clientId, clientSecret, url: webUrl, apiUrl } = bitbucket;
  if (clientId !== null && clientSecret !== null) {
    found.push(createBitbucketIdentity({ host: "default", clientId, clientSecret, webUrl, apiUrl, grants }));
  }
  return found;
}
