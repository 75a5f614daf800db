/**
 * Where a submodule is fetched from. Its address is anybody's who may write to the repository, so it decides nothing: what
 * is opened with a credential is fetched from the address the build request names, what is on the same Git host is asked
 * for as a stranger, and everything else from the build's own network.
 */
import { plainText } from "../core/log-lines.ts";
import type { CloneCredential } from "../engine/ports.ts";
import { cleanUrl } from "../git/environment.ts";
import { shorten } from "./checkout-words.ts";

/** A repository that the build's credentials open. */
export interface OpenedRepository {
  readonly cloneUrl: string;
  readonly credential: CloneCredential;
}

export type SubmoduleAddress =
  | { readonly kind: "opened"; readonly url: string; readonly credential: CloneCredential }
  | { readonly kind: "same-host" | "elsewhere"; readonly url: string }
  /** `why`: a sentence, with what to do. */
  | { readonly kind: "refused"; readonly why: string };

/**
 * @param options.text as `.gitmodules` has it
 * @param options.base where the repository with that file was fetched from; relative addresses start there, as git's do
 * @param options.source address of the repository that is built: its Git host is the one the operator has chosen
 */
export function submoduleAddress(options: {
  readonly text: string;
  readonly base: string;
  readonly source: string;
  readonly opened: readonly OpenedRepository[];
}): SubmoduleAddress {
  const { text, base, source, opened } = options;
  if (text === "" || text.length > MAX_LENGTH || STRANGE.test(text)) return refusedAddress(text, PLAIN);
  const absolute = /^\.\.?\//.test(text) ? fromBase(text, base) : text;
  if (absolute === null) return refusedAddress(text, "It leads out of the Git host.");
  if (!/^https?:\/\/[^/]/i.test(absolute)) return refusedAddress(text, withoutKey(absolute, source));
  const href = cleanUrl(absolute);
  if (href === null) return refusedAddress(text, PLAIN);
  const url = new URL(href);
  if (url.search !== "" || url.hash !== "" || !segmentsOf(url).every((part) => PLAIN_SEGMENT.test(part))) {
    return refusedAddress(text, PLAIN);
  }
  const known = opened.find(({ cloneUrl }) => identityOf(new URL(cloneUrl)) === identityOf(url));
  if (known !== undefined) return { kind: "opened", url: known.cloneUrl, credential: known.credential };
  if (url.origin === new URL(source).origin) return { kind: "same-host", url: href };
  if (url.protocol !== "https:") return refusedAddress(text, "Write it with `https://`.");
  return { kind: "elsewhere", url: href };
}

const MAX_LENGTH = 1_000;

/** White space, controls, and what some programs take for a slash. */
const STRANGE = /[\s\\\p{Cc}\p{Cf}]/u;

/** No escapes: what a segment says to one program, it says to all. */
const PLAIN_SEGMENT = /^[A-Za-z0-9_.~+@=,-]+$/;

const PLAIN = "Write a plain `https://` address, or a relative one (`../name.git`).";

function refusedAddress(text: string, advice: string): SubmoduleAddress {
  return { kind: "refused", why: `its address \`${shorten(plainText(withoutSecret(text)))}\` is not used. ${advice}` };
}

/** What somebody wrote there by mistake is not to be shown in a check. */
function withoutSecret(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, "$1");
}

function segmentsOf({ pathname }: URL): readonly string[] {
  return pathname.replace(/^\//, "").replace(/\/$/, "").split("/");
}

/** Hosts do not tell names apart by case, nor by the ending. */
function identityOf(url: URL): string {
  const path = segmentsOf(url)
    .join("/")
    .replace(/\.git$/i, "");
  return `${url.origin}/${path.toLowerCase()}`;
}

/** Null: there is nothing above. */
function fromBase(text: string, base: string): string | null {
  const url = new URL(base);
  const segments = [...segmentsOf(url)];
  const parts = text.split("/");
  while (parts[0] === "." || parts[0] === "..") {
    if (parts.shift() === ".." && segments.pop() === undefined) return null;
  }
  if (parts.some((part) => part === "." || part === "..")) return null;
  return `${url.origin}/${[...segments, ...parts].join("/")}`;
}

/** Builds have no keys; most addresses that want one have an https twin. */
function withoutKey(text: string, source: string): string {
  const [, host, path] = /^(?:(?:git\+)?ssh:\/\/)?(?:[^@/:]+@)?([^/:@]+)(?::\d+\/|[:/])(.+)$/i.exec(text) ?? [];
  const known = host !== undefined && path !== undefined && host.toLowerCase() === new URL(source).hostname;
  if (!known || !path.split("/").every((part) => PLAIN_SEGMENT.test(part))) return PLAIN;
  return `Builds have no SSH keys and use no other protocol: write \`${new URL(source).origin}/${path}\`, or a relative address.`;
}
