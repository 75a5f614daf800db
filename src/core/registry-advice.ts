/** What an operator has to give so that a registry takes pushes. docs/registries.md has the same at length. */
import { imageHost, type RegistrySettings } from "./registry-settings.ts";

/** One sentence without a full stop. Of registries people run themselves only the address is known. */
export function credentialAdvice(settings: Pick<RegistrySettings, "url" | "kind">): string {
  if (settings.kind === "token") {
    return (
      "let the registry's auth.token trust this program: its realm is PUBLIC_URL/registry/token, its rootcertbundle the " +
      "registry-token.crt in DATA_DIR, its service and issuer as `wharfinger registry list` shows them; then restart it"
    );
  }
  return ACCOUNTS.find(({ host }) => host.test(imageHost(settings.url)))?.advice ?? OTHERS;
}

const ACCOUNTS: readonly { readonly host: RegExp; readonly advice: string }[] = [
  {
    host: /^docker\.io$/,
    advice:
      "give the account's name and a personal access token with Read & Write, or an organization's name and one of its " +
      "access tokens; the staging template has to be {namespace}/… with one repository behind it, which must exist or may be made",
  },
  {
    host: /^ghcr\.io$/,
    advice:
      "give a GitHub user name and a personal access token (classic) with write:packages, of somebody who may publish " +
      "packages of that account; the namespace is the account's name",
  },
  {
    host: /^quay\.io$/,
    advice: "give a robot account (NAMESPACE+ROBOT) with Write, of a team that may create repositories, and its token",
  },
  {
    host: /(?:^|\.)gitlab\./,
    advice:
      "give a deploy token, or a group's access token, with read_registry and write_registry; images and staging have to " +
      "lie in projects that exist",
  },
];

const OTHERS =
  "give a user or robot that may pull and push (Harbor: robot$NAME with Pull and Push of the project) in the namespaces " +
  "and in the staging repository";

/** What the configuration of a registry (Distribution) says so that it trusts our tokens. */
export function registryExample(given: {
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
}): string {
  return `storage:
  delete:
    enabled: true # staging repositories are emptied after publishing
auth:
  token:
    realm: ${JSON.stringify(given.realm)}
    service: ${JSON.stringify(given.service)}
    issuer: ${JSON.stringify(given.issuer)}
    rootcertbundle: /etc/docker/registry/registry-token.crt
`;
}
