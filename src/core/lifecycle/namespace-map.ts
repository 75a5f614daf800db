/** The operator's file of namespaces: which accounts may write which, by their ids. */
import { parseDocument } from "yaml";
import { hostKey, parseHostKey } from "../model.ts";
import { namespaceProblem } from "../namespaces.ts";

export type ParsedNamespaceMap =
  /** By {@link hostKey} of the account. */
  | { readonly ok: true; readonly map: ReadonlyMap<string, string> }
  /** Each says where and what. */
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * ```yaml
 * acme:
 *   - github:default:186853002
 *   - bitbucket:default:{7c3e0b5e-6a3d-4a77-9e0d-0d8f6b4c1a2f}
 * ```
 */
export function parseNamespaceMap(text: string): ParsedNamespaceMap {
  const document = parseDocument(text);
  if (document.errors.length > 0) {
    return { ok: false, problems: document.errors.map(({ message }) => message.split("\n")[0] ?? "is no YAML") };
  }
  const read: unknown = document.toJS({ maxAliasCount: 0 });
  if (typeof read !== "object" || read === null || Array.isArray(read) || Object.keys(read).length === 0) {
    return { ok: false, problems: ["has no namespaces: give each as `NAME:` with a list of accounts"] };
  }
  const problems: string[] = [];
  const map = new Map<string, string>();
  for (const [namespace, accounts] of Object.entries(read)) {
    const problem = namespaceProblem(namespace);
    if (problem !== null) problems.push(`${JSON.stringify(namespace)} ${problem}`);
    if (!Array.isArray(accounts)) {
      problems.push(`${namespace} has no list of accounts`);
      continue;
    }
    for (const given of accounts) {
      const key = accountKey(given);
      if (key === null) {
        problems.push(
          `${namespace}: ${JSON.stringify(given)} is no account: write PROVIDER:HOST:ID, e.g. github:default:17`,
        );
      } else if (map.has(key)) {
        problems.push(`${namespace}: ${key} is listed twice, and an account has one namespace`);
      } else {
        map.set(key, namespace);
      }
    }
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, map };
}

const UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";

/** In the one way ids are kept and compared: Bitbucket's in braces and lower case. A name is never taken for an id. */
function accountKey(given: unknown): string | null {
  const id = typeof given === "string" ? parseHostKey(given) : null;
  if (id === null) return null;
  if (id.provider === "github") return /^[1-9]\d{0,15}$/.test(id.id) ? hostKey(id) : null;
  const [, inBraces, bare] = new RegExp(`^(?:\\{(${UUID})\\}|(${UUID}))$`, "i").exec(id.id) ?? [];
  const digits = inBraces ?? bare;
  return digits === undefined ? null : hostKey({ ...id, id: `{${digits.toLowerCase()}}` });
}
