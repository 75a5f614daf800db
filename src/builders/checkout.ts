import { parseSha } from "../core/model.ts";
import type { CloneCredential } from "../engine/ports.ts";
import { cleanUrl } from "../git/environment.ts";
import type { OpenedRepository } from "./checkout-address.ts";
import { fetchCommit } from "./checkout-git.ts";
import { fetchSubmodules, type SubmoduleOptions } from "./checkout-submodules.ts";
import { type CheckoutFailure, explain, refused, shorten } from "./checkout-words.ts";

export type Checkout = { readonly ok: true } | CheckoutFailure;

/**
 * Fetches one commit with its submodules and writes its files to `workTree`; git's own data stays beside `gitDir`, outside
 * of what is built, and so does every credential.
 *
 * The commit is asked for by its hash, never by the ref that led to it: a ref may lead elsewhere by now, and what was
 * planned and approved is the commit. A host that does not hand it out any more fails the build.
 */
export async function checkout(
  options: {
    readonly cloneUrl: string;
    readonly sha: string;
    /** Number of the pull request it is the head of, for messages; null: none. */
    readonly pull: number | null;
    /** As git sees them. */
    readonly gitDir: string;
    readonly workTree: string;
    /** The work tree on the machine. */
    readonly folder: string;
    readonly credential: CloneCredential | null;
    /** What else the build's credentials open. */
    readonly further: readonly OpenedRepository[];
  } & Pick<SubmoduleOptions, "git" | "inputs" | "trusted" | "hasNetwork" | "say">,
): Promise<Checkout> {
  const { gitDir, workTree, folder, credential, git } = options;
  const sha = parseSha(options.sha);
  if (sha === null) return refused(`"${shorten(options.sha)}" is not a full commit hash.`);
  const url = cleanUrl(options.cloneUrl);
  if (url === null) return refused("The repository's clone address is not an http or https address.");

  const { code, said } = await fetchCommit(git, { gitDir, workTree }, { url, credential, network: "machine" }, sha);
  if (code !== 0) return explain(said, { sha, pull: options.pull, anonymous: credential === null });
  const found = said.at(-1)?.trim() ?? "";
  if (found !== sha)
    return refused(`The checkout is at ${shorten(found)}, not at the commit ${sha} that was asked for.`);
  // What strangers have written leads to nothing that is closed to them.
  const own = credential === null ? [] : [{ cloneUrl: url, credential }];
  const opened = options.trusted ? [...own, ...options.further] : [];
  const failure = await fetchSubmodules({ ...options, root: { url, sha, gitDir, workTree, folder }, opened });
  return failure ?? { ok: true };
}
