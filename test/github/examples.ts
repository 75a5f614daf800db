import { createRequire } from "node:module";

/** Every payload of @octokit/webhooks-examples, a package of data without types: `[{ name, examples }]`. */
export function examplePayloads(): readonly { readonly event: string; readonly payload: unknown }[] {
  const all = createRequire(import.meta.url)("@octokit/webhooks-examples") as {
    readonly name: string;
    readonly examples: readonly unknown[];
  }[];
  return all.flatMap(({ name, examples }) => examples.map((payload) => ({ event: name, payload })));
}
