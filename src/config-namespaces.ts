/** The part of the configuration that says who gets a namespace. */
import { readFileSync } from "node:fs";
import { servesConnect } from "./config-bitbucket.ts";
import { type Environment, isSet, type Values, type VariableName } from "./config-table.ts";
import type { NamespacePolicy } from "./core/lifecycle/claim.ts";
import { parseNamespaceMap } from "./core/lifecycle/namespace-map.ts";

type Report = (name: VariableName, wrong: string) => void;

/** What is wrong goes to `report`; the answer then counts for nothing. `further`: names of GitHub hosts beside the default. */
export function namespacePolicyOf(
  values: Partial<Values>,
  { env, further }: { readonly env: Environment; readonly further: readonly string[] },
  report: Report,
): NamespacePolicy {
  const { NAMESPACE_POLICY: policy, NAMESPACE_HOST: host, NAMESPACE_MAP_FILE: file } = values;
  if (policy !== "automatic" && isSet(env, "NAMESPACE_HOST")) {
    report("NAMESPACE_HOST", "is set, but NAMESPACE_POLICY is not automatic");
  }
  if (policy !== "fixed" && isSet(env, "NAMESPACE_MAP_FILE")) {
    report("NAMESPACE_MAP_FILE", "is set, but NAMESPACE_POLICY is not fixed");
  }
  if (host?.provider === "github" && ![...further, "default"].includes(host.host)) {
    report("NAMESPACE_HOST", `names ${host.host}, which is no GitHub host of GITHUB_HOSTS_FILE`);
  }
  if (policy === "automatic") return automatic(host ?? null, env, report);
  if (policy === "fixed") return { kind: "fixed", map: readMap(file ?? null, report) };
  return { kind: "approve" };
}

function automatic(host: Values["NAMESPACE_HOST"], env: Environment, report: Report): NamespacePolicy {
  if (host !== null) return { kind: "automatic", ...host };
  const github = isSet(env, "APP_ID");
  if (isSet(env, "GITHUB_HOSTS_FILE")) {
    report("NAMESPACE_HOST", "is not set, but NAMESPACE_POLICY is automatic and GITHUB_HOSTS_FILE names further hosts");
  } else if (github && servesConnect(env)) {
    report(
      "NAMESPACE_HOST",
      "is not set, but NAMESPACE_POLICY is automatic and both GitHub and Bitbucket are configured",
    );
  }
  return { kind: "automatic", provider: github ? "github" : "bitbucket", host: "default" };
}

function readMap(file: string | null, report: Report): ReadonlyMap<string, string> {
  if (file === null) {
    report("NAMESPACE_MAP_FILE", "is not set, but NAMESPACE_POLICY is fixed");
    return new Map();
  }
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const why = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    report("NAMESPACE_MAP_FILE", `names a file that can not be read (${why})`);
    return new Map();
  }
  const parsed = parseNamespaceMap(text);
  if (parsed.ok) return parsed.map;
  for (const problem of parsed.problems) report("NAMESPACE_MAP_FILE", `names a file with a problem: ${problem}`);
  return new Map();
}
