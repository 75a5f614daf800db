/** People as callers name them: by the id their host gave them, and by the login they have there. */
import type { Actor } from "./model.ts";

export type ParsedActor =
  | { readonly ok: true; readonly actor: Actor }
  /** A sentence: what is wrong, and what is wanted. */
  | { readonly ok: false; readonly message: string };

const MAX_LENGTH = 200;

/** `ID:LOGIN`, as typed. Ids hold no colon. */
export function parseActorArgument(text: string): ParsedActor {
  const at = text.indexOf(":");
  const [id, login] = [text.slice(0, at), text.slice(at + 1)];
  if (at < 1 || !isName(id) || !isName(login)) {
    return wrong(`${JSON.stringify(text.slice(0, MAX_LENGTH))} is not ID:LOGIN, as 583231:octocat.`);
  }
  return { ok: true, actor: { id, login } };
}

/** `{"actor":{"id":"…","login":"…"}}` and nothing else: what is misspelled must not come to mean the operator. */
export function parseActorJson(body: unknown): ParsedActor {
  const actor = isObjectOf(body, ["actor"]) ? body["actor"] : null;
  if (!isObjectOf(actor, ["id", "login"])) {
    return wrong('Send {"actor":{"id":"…","login":"…"}} and nothing else, or no body to approve as the operator.');
  }
  const { id, login } = actor;
  if (!isName(id) || !isName(login)) {
    return wrong(`actor.id and actor.login are texts of 1 to ${MAX_LENGTH} characters, as the host spells them.`);
  }
  return { ok: true, actor: { id, login } };
}

function isName(value: unknown): value is string {
  return (
    typeof value === "string" && value.length <= MAX_LENGTH && /^[^\p{Cc}\s](?:[^\p{Cc}]*[^\p{Cc}\s])?$/u.test(value)
  );
}

function isObjectOf<K extends string>(value: unknown, keys: readonly K[]): value is Readonly<Record<K, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const own = Object.keys(value);
  return own.length === keys.length && keys.every((key) => own.includes(key));
}

function wrong(message: string): ParsedActor {
  return { ok: false, message };
}
