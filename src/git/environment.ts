/** How git is run: with nothing of this machine's or anybody's own settings, and with secrets in its environment only. */
import type { CloneCredential } from "../engine/ports.ts";

/** Where tools are looked for, git and others; the environment of this program is never handed on. */
export const TOOL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** `machine`: to the Git host, which may be in a private network. `build`: where the build's own commands get. */
export type GitNetwork = "machine" | "build";

/** Paths as git sees them. */
export interface GitPlace {
  /** git's own data, outside of what is built. */
  readonly gitDir: string;
  readonly workTree: string;
}

/** What is fetched, and with what. Without a credential git neither asks for one nor looks for another. */
export interface GitRemote {
  /** http or https, without user and password. */
  readonly url: string;
  readonly credential: CloneCredential | null;
  readonly network: GitNetwork;
}

/** An http(s) address without user and password; null: it is none. */
export function cleanUrl(text: string): string | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") return null;
  url.username = "";
  url.password = "";
  return url.href;
}

/** `remote` null: nothing is fetched, and nothing can be. */
export function gitEnvironment(
  { gitDir, workTree }: GitPlace,
  remote: GitRemote | null,
): Readonly<Record<string, string>> {
  return {
    GIT_DIR: gitDir,
    GIT_WORK_TREE: workTree,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_ATTR_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_TEMPLATE_DIR: "",
    GIT_ALLOW_PROTOCOL: protocolsOf(remote).join(":"),
    LC_ALL: "C.UTF-8",
    ...configEnvironment(remote),
  };
}

/** Plain http only where the operator's own Git host speaks nothing else. */
function protocolsOf(remote: GitRemote | null): readonly string[] {
  if (remote === null) return [];
  return remote.url.startsWith("http:") ? ["http", "https"] : ["https"];
}

function configEnvironment(remote: GitRemote | null): Record<string, string> {
  const settings: [key: string, value: string][] = [
    ["core.hooksPath", "/dev/null"],
    ["core.fsmonitor", "false"],
    ["core.protectHFS", "true"],
    ["core.protectNTFS", "true"],
    ["credential.helper", ""],
    ["gc.auto", "0"],
    // A redirect would lead into the machine's network. From the build's own it leads nowhere else than its commands get.
    ["http.followRedirects", remote?.network === "build" ? "initial" : "false"],
    // A transfer slower than 1 kB/s for a minute is a stalled one.
    ["http.lowSpeedLimit", "1000"],
    ["http.lowSpeedTime", "60"],
    ["protocol.allow", "never"],
    // Hosts then list only what is asked for: not the heads of all pull requests there ever were.
    ["protocol.version", "2"],
    ...protocolsOf(remote).map((protocol): [string, string] => [`protocol.${protocol}.allow`, "always"]),
    ["submodule.recurse", "false"],
    ["transfer.fsckObjects", "true"],
  ];
  if (remote !== null && remote.credential !== null) {
    const { username, password } = remote.credential;
    const basic = Buffer.from(`${username}:${password}`).toString("base64");
    settings.push([`http.${remote.url}.extraHeader`, `Authorization: Basic ${basic}`]);
  }
  const numbered = settings.flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return { GIT_CONFIG_COUNT: String(settings.length), ...Object.fromEntries(numbered) };
}
