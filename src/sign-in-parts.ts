/** With which hosts people can sign in. */
import type { Config } from "./config.ts";
import type { Identity } from "./engine/identity-port.ts";
import type { Clock, Logger } from "./engine/ports.ts";
import { createGithubIdentity } from "./github/oauth.ts";

/** The hosts whose client id and secret are configured. */
export function createIdentities(
  { github, publicUrl }: Pick<Config, "github" | "publicUrl">,
  given: { readonly clock: Clock; readonly log: Logger },
): readonly Identity[] {
  const found: Identity[] = [];
  if (github !== null && github.clientId !== null && github.clientSecret !== null) {
    const { appId, clientId, clientSecret, url: webUrl, apiUrl } = github;
    const redirectUri = `${publicUrl}/auth/github/callback`;
    found.push(
      createGithubIdentity({ ...given, host: "default", appId, clientId, clientSecret, webUrl, apiUrl, redirectUri }),
    );
  }
  return found;
}
