/** What somebody who got hold of a build's credential could try with it. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { OCI_IMAGE } from "../registry/images.ts";
import type { TokenProgram } from "./token-program.ts";

export interface Credential {
  readonly username: string;
  readonly password: string;
}

export interface Attempt {
  readonly method: string;
  readonly path: string;
  /** What a token is asked for. */
  readonly scope: string;
}

export interface AttemptAnswer {
  readonly status: number;
  /** The registry's word for why not; `no token`: it did not come to asking the registry. */
  readonly code: string | null;
}

export function uploadTo(repository: string): Attempt {
  return {
    method: "POST",
    path: `/v2/${repository}/blobs/uploads/`,
    scope: `repository:${repository}:pull,push`,
  };
}

/** What a running build's tools sign in to the registry with, read where they read it; null: the build has none (yet). */
export async function readCredential(dataDir: string, registry: string, buildId: string): Promise<Credential | null> {
  const jobs = join(dataDir, "builder/jobs");
  for (const job of await readdir(jobs).catch(() => [])) {
    // It may be about to be written, or to be removed.
    const text = await readFile(join(jobs, job, "auth.json"), "utf8").catch(() => "");
    const { auths } = JSON.parse(text || "{}") as { auths?: Record<string, { auth: string }> };
    const pair = Buffer.from(auths?.[registry]?.auth ?? "", "base64").toString("utf8");
    const [username = "", password = ""] = pair.split(":");
    if (username === `build-${buildId}`) return { username, password };
  }
  return null;
}

/** Gets a token for what is wanted, as any client does, and tries it on the registry. Null: without a name. */
export async function attempt(
  { program, registry, issue }: Pick<TokenProgram, "program" | "registry" | "issue">,
  credential: Credential | null,
  { method, path, scope }: Attempt,
): Promise<AttemptAnswer> {
  const realm = new URL(`${program.url}/registry/token`);
  realm.searchParams.set("service", registry.name);
  realm.searchParams.set("scope", scope);
  const pair = `${credential?.username}:${credential?.password}`;
  const basic = { authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
  const signedIn = await fetch(realm, credential === null ? {} : { headers: basic });
  if (!signedIn.ok) return { status: signedIn.status, code: "no token" };
  const { token } = (await signedIn.json()) as { token: string };
  const headers = { authorization: `Bearer ${token}`, accept: OCI_IMAGE };
  const answer = await fetch(new URL(path, registry.url), { method, headers });
  const text = await answer.text();
  const location = answer.headers.get("location");
  // Of an upload that was let in nothing is to stay; taking it back is not in a build's power.
  if (answer.status === 202 && location !== null) {
    const { token: ours } = await issue([scope.replace(/:[^:]*$/, ":delete")]);
    const place = new URL(location, registry.url);
    await fetch(place, { method: "DELETE", headers: { authorization: `Bearer ${ours}` } });
  }
  const { errors } = JSON.parse(answer.ok || text === "" ? "{}" : text) as { errors?: { code: string }[] };
  return { status: answer.status, code: errors?.[0]?.code ?? null };
}
