/** What the settings page of one repository shows: its rules as the planner reads them, and what is set for it alone. */
import type { Diagnostic, ForkPolicy, Installation, Outcome, Policy } from "../core/model.ts";
import { CONFIG_FILE, type ConfigFact, type RepoConfig, type RuleConfig } from "../core/repo-config/config.ts";
import { RULE_SNIPPETS, snippetText } from "../core/rule-snippets.ts";
import { describeRule } from "../core/rules.ts";
import { zeroConfig } from "../core/zero-config.ts";
import type { ListedRepository } from "../engine/store-port.ts";
import type { Surveyed } from "../engine/surveys.ts";
import { surveyView } from "./installations.ts";
import { pauseSentence } from "./pause-notice.ts";
import { webLink } from "./present.ts";
import type { Said, SettingsFrame, SettingsParts, SettingsVisitor } from "./settings.ts";
import { settingsBase, variableView } from "./settings-page.ts";

/** A page nobody waits for too long. */
const PATIENCE_MS = 3_000;

export async function repositorySettingsData(
  parts: SettingsParts,
  visitor: SettingsVisitor,
  of: { readonly installation: Installation; readonly repository: ListedRepository },
  at: { readonly frame: SettingsFrame; readonly said: Said | null },
) {
  const { store } = parts;
  const { installation, repository } = of;
  const base = await settingsBase(visitor, installation, at.frame, at.said);
  const asked = installation.state === "active" && repository.link === "linked";
  const [own, all, pauses, access, rules] = await Promise.all([
    store.listVariables({ installation, repository }),
    store.listVariables({ installation, repository: null }),
    store.pausesOf({ installation, repository }),
    store.listAccess({ installation, repository, limit: 100, cursor: null }),
    asked ? rulesOf(parts, of) : null,
  ]);
  const now = parts.clock.now();
  const [ask, build] = await Promise.all([
    visitor.may("build.see", { installation, repository }),
    visitor.may("build.start", { installation, repository }),
  ]);
  return {
    ...base,
    login: installation.account.login,
    provider: installation.provider,
    fullName: repository.fullName,
    id: repository.id,
    link: repository.link,
    private: repository.private,
    url: webLink(repository.webUrl),
    namespace: installation.namespace,
    rules,
    snippets: RULE_SNIPPETS.map((snippet) => ({ purpose: snippet.purpose, text: snippetText(snippet) })),
    tries: parts.trials !== undefined && ask.kind === "allowed",
    builds: parts.builds !== undefined && build.kind === "allowed",
    pauses: pauses.map((pause) => ({ kind: pause.kind, text: pauseSentence(pause) })),
    pausedHere: pauses.some(({ kind }) => kind === "repository"),
    variables: own.map((one) => variableView(one, now)),
    // What a build gets besides; the repository's own count more.
    inherited: all
      .filter(({ name }) => !own.some((one) => one.name === name))
      .map(({ kind, name }) => ({ kind, name })),
    badge:
      ask.kind === "allowed" && repository.link !== "unlinked"
        ? ((await parts.badges?.markdown(repository)) ?? null)
        : null,
    // Names that the host may keep from others than owners.
    reads: base.owner ? access.items.map(({ reads, covered }) => ({ fullName: reads.fullName, covered })) : [],
  };
}

export type RulesView =
  | { readonly kind: "pending" }
  /** `why`: a clause. */
  | { readonly kind: "unknown"; readonly why: string }
  /** No file: what is in the repository, and a file to begin with. */
  | { readonly kind: "none"; readonly survey: ReturnType<typeof surveyView>; readonly zero: readonly ImageView[] }
  | {
      readonly kind: "file";
      readonly branch: string;
      /** Where the file is changed on its host; null: it has no such page. */
      readonly edit: string | null;
      readonly images: readonly ImageView[];
      readonly problems: readonly Diagnostic[];
      readonly forks: ForkPolicy;
    };

interface ImageView {
  /** With the namespace, where there is one. */
  readonly name: string;
  readonly dockerfile: string;
  readonly context: string;
  readonly paths: string | null;
  readonly rules: readonly {
    readonly path: string;
    readonly on: string;
    readonly tags: readonly string[];
    /** What a rule without tags gives; null: it has some. */
    readonly usual: string | null;
    /** What comes of it beside a published image; null: that. */
    readonly only: string | null;
  }[];
}

async function rulesOf(
  { surveys, rules }: SettingsParts,
  { installation, repository }: { readonly installation: Installation; readonly repository: ListedRepository },
): Promise<RulesView> {
  const [surveyed = null] = await surveys.within(PATIENCE_MS, installation, [repository]);
  if (surveyed === null) return { kind: "pending" };
  if (!surveyed.ok) return { kind: "unknown", why: surveyed.message };
  const { repository: now, survey } = surveyed.value;
  if (survey !== null && !survey.hasFile) return without(surveyed, now.defaultBranch, installation);
  if (rules === undefined) return { kind: "unknown", why: "files are not read here" };
  const read = await rules(installation, now);
  if (!read.ok) return { kind: "unknown", why: read.message };
  return fileView(read.value, now, installation);
}

function without(surveyed: Outcome<Surveyed>, branch: string | null, installation: Installation): RulesView {
  const { policy, namespace } = installation;
  const repository = surveyed.ok ? surveyed.value.repository : null;
  const built = surveyed.ok && policy.zeroConfig && surveyed.value.survey?.dockerfiles.includes("Dockerfile") === true;
  const config = built && repository !== null && branch !== null ? zeroConfig(repository, branch).config : null;
  // Nobody waits for what was looked up a moment ago.
  const survey = surveyView(surveyed, policy, surveyed.ok ? surveyed.value.at : 0);
  return { kind: "none", survey, zero: config === null ? [] : imageViews(config, namespace, policy) };
}

function fileView(fact: ConfigFact, repository: Surveyed["repository"], installation: Installation): RulesView {
  switch (fact.kind) {
    case "not-asked":
    case "gone":
      return { kind: "unknown", why: "its default branch is not there" };
    case "missing":
      return { kind: "unknown", why: `${CONFIG_FILE} is not there any more` };
    case "unreadable":
      return { kind: "unknown", why: `${CONFIG_FILE} can not be read: ${fact.why}` };
    case "read": {
      const { config, diagnostics } = fact.parsed;
      const { policy, namespace } = installation;
      return {
        kind: "file",
        branch: repository.defaultBranch ?? "",
        edit: editUrl(repository),
        images: config === null ? [] : imageViews(config, namespace, policy),
        problems: diagnostics,
        forks: config === null ? policy.forks : narrower(config.forks, policy.forks),
      };
    }
  }
}

/** The more cautious of what the file asks for and what the account allows. */
function narrower(one: ForkPolicy, other: ForkPolicy): ForkPolicy {
  return FORKS.find((policy) => policy === one || policy === other) ?? "never";
}

const FORKS: readonly ForkPolicy[] = ["never", "approve", "test"];

function editUrl({ provider, webUrl, defaultBranch }: Surveyed["repository"]): string | null {
  const url = webLink(webUrl);
  if (url === null || defaultBranch === null) return null;
  const branch = defaultBranch.split("/").map(encodeURIComponent).join("/");
  return provider === "github"
    ? `${url}/edit/${branch}/${CONFIG_FILE}`
    : `${url}/src/${encodeURIComponent(defaultBranch)}/${CONFIG_FILE}?mode=edit&at=${encodeURIComponent(defaultBranch)}`;
}

function imageViews({ images }: RepoConfig, namespace: string | null, policy: Policy): readonly ImageView[] {
  return images.map(({ name, inputs, paths, rules }) => ({
    name: namespace === null ? name : `${namespace}/${name}`,
    dockerfile: inputs.dockerfile,
    context: inputs.context,
    paths: paths === null ? null : paths.include.map(({ source }) => source).join(", ") || "all but those excluded",
    rules: rules.map((rule) => ({
      path: rule.path,
      on: describeRule(rule),
      tags: (rule.tags ?? []).map((tag) => (typeof tag === "string" ? tag : tag.source)),
      usual: rule.tags === null ? usualTags(rule) : null,
      only: onlyOf(rule, policy),
    })),
  }));
}

/** docs/config-file.md, "tags". */
function usualTags({ on }: RuleConfig): string {
  switch (on.kind) {
    case "semver":
      return "{version}";
    case "pull_request":
      return "pr-{pr}";
    case "tag":
      return "{sourceref}";
    case "branch":
      return "latest on the default branch, else {sourceref}";
  }
}

/** A clause: what of a rule the policy, or the rule itself, keeps back. */
function onlyOf({ on, push }: RuleConfig, policy: Policy): string | null {
  if (!push) return "built and tested, not published";
  if (on.kind === "pull_request" && !policy.publishPullRequests)
    return "not published: the policy does not let pull requests";
  if (on.kind === "branch" && policy.onlyPullRequests)
    return "the default branch only: the policy builds others by their pull requests";
  return null;
}
