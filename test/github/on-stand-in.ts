/** The product's GitHub side on a stand-in, as the tests beside this file need it. */
import { type HostId, parseSha, type RefChange, type Repository, type Sha } from "../../src/core/model.ts";
import type { Host } from "../../src/engine/ports.ts";
import { createGithubAccess, type GithubAccess } from "../../src/github/access.ts";
import { createGithubHost as createHostPort } from "../../src/github/host.ts";
import type { GithubHost, HostInstallation, HostRepository } from "../hosts/github/index.ts";

const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

export function accessTo(github: GithubHost): GithubAccess {
  return createGithubAccess({
    host: "default",
    appId: github.appId,
    privateKey: github.privateKey,
    apiUrl: github.apiUrl,
    clock: { now: () => Date.now() },
  });
}

export function portTo(github: GithubHost, access = accessTo(github)): Host {
  return createHostPort({ access, webUrl: github.url, log });
}

export function idOf(installation: HostInstallation): HostId {
  return { provider: "github", host: "default", id: String(installation.id) };
}

export function repositoryOf(repository: HostRepository): Repository {
  return {
    provider: "github",
    host: "default",
    id: String(repository.id),
    fullName: repository.fullName,
    private: repository.private,
    defaultBranch: repository.defaultBranch,
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
