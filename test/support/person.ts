import type { Request } from "express";
import type { HostId } from "../../src/core/model.ts";
import type { SessionStore } from "../../src/engine/sessions-port.ts";
import { createGate } from "../../src/web/auth.ts";

/** Signs somebody of GitHub in, as the site over the same sessions believes it; answers their cookie. */
export async function personCookie(options: {
  readonly sessions: SessionStore;
  readonly clock: { now(): number };
  readonly login: string;
  readonly reach: readonly HostId[];
}): Promise<string> {
  const { sessions, clock, login, reach } = options;
  const gate = createGate({ adminToken: null, operators: new Set(), hosts: true, secure: false, sessions, clock });
  const person = { provider: "github", host: "default", actor: { id: `id-of-${login}`, login } } as const;
  const set = await gate.open({ headers: {} } as Request, { person, reach });
  return set.split(";")[0] ?? "";
}
