/** `wharfinger plan` over texts held in memory, with the program's own parsers. */
import { parseBitbucket } from "../../src/bitbucket/parse.ts";
import { type PayloadParsers, plan } from "../../src/cli/plan.ts";
import type { Provider } from "../../src/core/model.ts";
import { parseGithub } from "../../src/github/parse.ts";

export const parsers: PayloadParsers = {
  github: (event, payload) => parseGithub(event, payload, { host: "default", appId: null }),
  bitbucket: (event, payload, installationId) =>
    parseBitbucket(event, payload, { host: "default", webUrl: "https://bitbucket.org", installationId }),
};

export interface Told {
  readonly provider: Provider;
  readonly event: string;
  readonly payload: unknown;
  /** Text of the config file. */
  readonly config: string;
  readonly facts: object;
}

/** What is printed; rejects when anything but a plan is. */
export async function printed({ provider, event, payload, config, facts }: Told, json: boolean): Promise<string> {
  const files: Readonly<Record<string, string>> = {
    "payload.json": JSON.stringify(payload),
    "wharfinger.yml": config,
    "facts.json": JSON.stringify(facts),
  };
  let out = "";
  const terminal = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      throw new Error(text);
    },
    stdin: async () => "",
    readFile: async (path: string) => files[path] ?? "",
    color: false,
  };
  const paths = { payload: "payload.json", config: "wharfinger.yml", facts: "facts.json" };
  const code = await plan({ provider, event, ...paths, json }, terminal, parsers);
  if (code !== 0) throw new Error(`exit ${code}`);
  return out;
}
