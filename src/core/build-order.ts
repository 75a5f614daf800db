/**
 * That somebody wants a branch or tag built as it is now. Journalled like what hosts tell, under a name that none of them
 * can send: neither entrance takes an event with a dot.
 */
import { z } from "zod";
import type { Actor, HostId } from "./model.ts";

export const BUILD_ORDER = "wharfinger.build";

export interface BuildOrder {
  readonly repository: HostId;
  /** In full. What it points to is looked up when the order is planned: whatever was journalled before is seen then. */
  readonly ref: string;
  /** Name of the one image to build, as in the file; null: all. */
  readonly image: string | null;
  /** Who ordered it, if that is somebody the repository's host knows. */
  readonly actor: Actor | null;
}

const orderSchema = z.strictObject({
  repository: z.strictObject({ provider: z.enum(["github", "bitbucket"]), host: z.string(), id: z.string() }),
  ref: z.string(),
  image: z.string().nullable(),
  actor: z.strictObject({ id: z.string(), login: z.string() }).nullable(),
});

/** The body of its delivery. */
export function orderText({ repository: { provider, host, id }, ref, image, actor }: BuildOrder): string {
  const who = actor === null ? null : { id: actor.id, login: actor.login };
  return JSON.stringify({ repository: { provider, host, id }, ref, image, actor: who });
}

/** Null: {@link orderText} has not made it. */
export function parseOrder(text: string): BuildOrder | null {
  try {
    const result = orderSchema.safeParse(JSON.parse(text));
    return result.success ? result.data : null;
  } catch {
    // Not JSON, and the error would quote it.
    return null;
  }
}

const FULL_REF = /^refs\/(heads|tags)\/(.+)$/s;

/** What hosts and git allow in no name of a ref, or only somewhere; enough that no name leads elsewhere. */
const BAD_NAME = /[\p{Cc}\p{Cs} ~^:?*[\\]|\.\.|@\{|\/\/|\/\.|^[./-]|[./]$|\.lock(?:\/|$)/u;

/** Bytes of a name that file systems, and so hosts, take. */
const MAX_NAME = 250;

/** The full refs that a name may be: itself, or those of a branch and a tag. Empty: no ref is called so. */
export function refsCalled(name: string): readonly string[] {
  const full = FULL_REF.test(name);
  const short = name.replace(FULL_REF, "$2");
  if (short === "" || Buffer.byteLength(short) > MAX_NAME || BAD_NAME.test(short)) return [];
  return full ? [name] : [`refs/heads/${name}`, `refs/tags/${name}`];
}

/** A full ref as a change names it. */
export function kindOfRef(ref: string): { readonly kind: "branch" | "tag"; readonly name: string } {
  const [, kind, name = ref] = FULL_REF.exec(ref) ?? [];
  return { kind: kind === "tags" ? "tag" : "branch", name };
}
