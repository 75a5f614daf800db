import { oneLine } from "../core/markdown.ts";
import { type HostId, hostKey } from "../core/model.ts";
import type { PublishedImage } from "../engine/store-port.ts";
import type { CliStore } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

export interface ImageOptions {
  /** `OWNER/NAME` of repositories. */
  readonly share: readonly string[];
  readonly unshare: readonly string[];
  /** `OWNER/NAME` of the repository whose it is to be; null: whose it is. */
  readonly give: string | null;
  /** Null: as it is. */
  readonly public: boolean | null;
}

const OPERATOR = { kind: "operator" } as const;

/**
 * `wharfinger image NAME`: whose it is, who else may publish it, who may pull it, where its tags point. 1: there is no
 * such image, or no such repository; then nothing was changed.
 */
export async function image(
  name: string,
  options: ImageOptions,
  store: CliStore,
  terminal: Terminal,
): Promise<ExitCode> {
  const to = options.give === null ? [] : await repositories([options.give], store, terminal);
  const share = await repositories(options.share, store, terminal);
  const unshare = await repositories(options.unshare, store, terminal);
  if (to === null || share === null || unshare === null) return 1;
  // One that people have pushed has no owner yet.
  for (const repository of to) await store.giveImage(name, repository, OPERATOR);
  if ((await store.publishedImage(name)) === null) {
    terminal.err(
      `image: ${JSON.stringify(name)} was never published here. Give the whole name, namespace included: acme/api. ` +
        "An image belongs to the repository that publishes it first.\n",
    );
    return 1;
  }
  for (const repository of share) await store.shareImage(name, repository, OPERATOR);
  for (const repository of unshare) await store.unshareImage(name, repository, OPERATOR);
  if (options.public !== null) await store.setImagePublic(name, options.public, OPERATOR);
  const now = await store.publishedImage(name);
  if (now !== null) terminal.out(`${description(now).join("\n")}\n`);
  return 0;
}

/** Names are for people and may have been used twice; what is recorded is the one id they stand for. */
async function repositories(
  names: readonly string[],
  store: CliStore,
  terminal: Terminal,
): Promise<readonly HostId[] | null> {
  const found: HostId[] = [];
  for (const name of names) {
    const known = await store.repositoriesNamed(name);
    const [only] = known;
    if (only === undefined) {
      terminal.err(`image: no repository ${JSON.stringify(name)} is known here. Give it as OWNER/NAME.\n`);
      return null;
    }
    if (known.length > 1) {
      terminal.err(`image: ${JSON.stringify(name)} stands for ${known.map(hostKey).join(" and ")}; rename one.\n`);
      return null;
    }
    found.push(only);
  }
  return found;
}

function description({ name, owner, shares, public: open, tags }: PublishedImage): string[] {
  return [
    `image      ${name}`,
    `belongs to ${oneLine(owner.fullName)} (${hostKey(owner)})`,
    `shared     ${shares.length === 0 ? "with nobody" : `with ${shares.map((one) => oneLine(one.fullName)).join(", ")}`}`,
    `pulled by  ${open ? "anybody" : "its installation's builds, and whoever the registry itself lets in"}`,
    ...(tags.length === 0
      ? ["", "It has no tags."]
      : ["", ...tags.map(({ tag, digest, build }) => `${tag}  ${digest}  build ${build}`)]),
  ];
}
