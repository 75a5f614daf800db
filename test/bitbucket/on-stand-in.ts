/** The product's Bitbucket side on a stand-in, as the tests beside this file need it. */
import { type BitbucketAccess, createBitbucketAccess } from "../../src/bitbucket/access.ts";
import { createBitbucketHost as createHostPort } from "../../src/bitbucket/host.ts";
import { type HostId, parseSha, type RefChange, type Repository, type Sha } from "../../src/core/model.ts";
import type { ConnectClient, Connection } from "../../src/engine/grants-port.ts";
import type { Clock, Host } from "../../src/engine/ports.ts";
import { descriptorOf } from "../hosts/bitbucket/app-stub.ts";
import type {
  BitbucketHost,
  HostAccessToken,
  HostInstall,
  HostRepository,
  HostWorkspace,
} from "../hosts/bitbucket/index.ts";
import { grantsOf } from "./recorded-fetch.ts";

const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

const SCOPES = ["account", "repository", "pullrequest"];

/** The product on a stand-in. `granted` may be changed on the way, `clock` moved on. */
export interface Side {
  readonly access: BitbucketAccess;
  readonly port: Host;
  readonly granted: ReturnType<typeof grantsOf>["state"];
  readonly clock: Clock & { time: number };
}

export function sideOf(
  bitbucket: BitbucketHost,
  granted: { readonly clients?: readonly ConnectClient[]; readonly connections?: readonly Connection[] },
): Side {
  const { grants, state } = grantsOf(granted);
  const clock = { time: Date.now(), now: () => clock.time };
  const access = createBitbucketAccess({
    host: "default",
    webUrl: bitbucket.url,
    apiUrl: bitbucket.apiUrl,
    appKey: "an-app",
    appSecret: null,
    grants,
    clock,
  });
  return { access, port: createHostPort({ access, grants, clock, log }), granted: state, clock };
}

/** The app on a workspace. It must run with `commitBeforeCallback`: there is nobody to be called back. */
export async function installOn(bitbucket: BitbucketHost, workspace: HostWorkspace): Promise<HostInstall> {
  const descriptor = descriptorOf("http://127.0.0.1:9", { scopes: SCOPES });
  const { install } = await bitbucket.install(workspace, { descriptor });
  return install;
}

export function clientOf({ clientKey, workspace, secret }: HostInstall): ConnectClient {
  const kind = workspace.kind === "team" ? "organization" : "user";
  return { clientKey, workspace: workspace.uuid, kind, login: workspace.slug, state: "active", secret };
}

let connections = 0;

export function connectionOf(
  workspace: HostWorkspace,
  token: HostAccessToken,
  repository: HostRepository | null = null,
): Connection {
  connections += 1;
  return {
    id: `connection-${connections}`,
    workspace: workspace.uuid,
    kind: workspace.kind === "team" ? "organization" : "user",
    login: workspace.slug,
    repository: repository === null ? null : { id: repository.uuid, fullName: repository.fullName },
    secrets: ["secret"],
    token: token.token,
    hook: null,
    createdAt: "2026-11-20T10:00:00.000Z",
  };
}

export function accessTokenOf(bitbucket: BitbucketHost, of: HostWorkspace | HostRepository): HostAccessToken {
  const scopes = ["repository", "pullrequest"];
  return "gitDir" in of
    ? bitbucket.accessToken({ repository: of, scopes })
    : bitbucket.accessToken({ workspace: of, scopes });
}

export function idOf({ uuid }: { readonly uuid: string }): HostId {
  return { provider: "bitbucket", host: "default", id: uuid };
}

export function repositoryOf(repository: HostRepository): Repository {
  return {
    ...idOf(repository),
    fullName: repository.fullName,
    private: repository.private,
    defaultBranch: repository.mainBranch,
    cloneUrl: repository.cloneUrl,
    webUrl: repository.webUrl,
  };
}

export function shaOf(text: string): Sha {
  const sha = parseSha(text);
  if (sha === null) throw new Error(`Not a hash: ${text}`);
  return sha;
}

export function branchChange(name: string, before: string | null, after: string, forced = false): RefChange {
  const commit = shaOf(after);
  const ref = `refs/heads/${name}`;
  return { kind: "branch", ref, name, before: parseSha(before), after: commit, commit, forced, message: "" };
}
