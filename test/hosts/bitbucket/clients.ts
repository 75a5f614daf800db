/** What a host and an installed app prove to each other. */
import { hostJwt, queryStringHash, readJwt } from "./jwt.ts";
import { Refusal } from "./refusal.ts";
import type { InstallState, State } from "./state.ts";

/** Seconds the app's clock may be ahead of ours. */
const SKEW = 60;

/** The address with a JWT over it. */
export function signedAddress(install: InstallState, url: URL): string {
  const signed = new URL(url);
  const request = { method: "GET", url, base: install.descriptor.baseUrl };
  signed.searchParams.set("jwt", hostJwt(install, request, seconds()));
  return signed.href;
}

/**
 * The install an app's `Authorization: JWT …` is of; a {@link Refusal} when it proves nothing. `base`: what the path is
 * below. A hash of the request may be left out, but not be wrong.
 */
export function clientOf(
  state: State,
  authorization: string | undefined,
  method: string,
  path: string,
  base: string,
): InstallState {
  const refusal = new Refusal(401, "Invalid JWT token.");
  const jwt = readJwt(/^JWT (\S+)$/.exec(authorization ?? "")?.[1] ?? "");
  if (jwt === null) throw refusal;
  const { iss, sub, iat, exp, qsh } = jwt.claims;
  const install = state.installs.find((item) => item.clientKey === sub && item.appKey === iss && item.active);
  if (install === undefined || !jwt.signedWith(install.secret)) throw refusal;
  if (typeof exp !== "number" || exp <= seconds()) throw refusal;
  if (iat !== undefined && (typeof iat !== "number" || iat > seconds() + SKEW)) throw refusal;
  if (qsh !== undefined && qsh !== queryStringHash(method, new URL(path, base), base)) throw refusal;
  return install;
}

/** JWTs are held to the machine's clock: those who make them know no other. */
export function seconds(): number {
  return Math.floor(Date.now() / 1000);
}
