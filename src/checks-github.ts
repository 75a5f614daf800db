/** What `wharfinger doctor` tries of the GitHub App. */
import type { CheckResult } from "./cli/parts.ts";
import type { Config, GithubConfig } from "./config.ts";
import { githubWebhookPath } from "./config-github.ts";
import { createGithubAccess } from "./github/access.ts";
import { type Examined, type ExaminedInstallation, examineApp } from "./github/examine.ts";
import type { WantedPermission } from "./github/permissions.ts";
import { systemClock } from "./parts.ts";

/** Of the default host's App. */
export async function checkGithub({
  github,
  githubHosts,
  bitbucket,
  publicUrl,
}: Pick<Config, "github" | "githubHosts" | "bitbucket" | "publicUrl">): Promise<CheckResult> {
  if (github !== null) return checkGithubApp(github, publicUrl);
  if (bitbucket.connect || githubHosts.length > 0) return { ok: true, detail: "not used", todo: "" };
  const todo = "Set APP_ID, PRIVATE_KEY and WEBHOOK_SECRET (wharfinger start says how).";
  return { ok: false, detail: "not configured", todo };
}

export async function checkGithubApp(github: GithubConfig, publicUrl: string): Promise<CheckResult> {
  const examined = await examineApp(createGithubAccess({ ...github, clock: systemClock }));
  if (!examined.ok) {
    const [id, api] = github.host === "default" ? ["APP_ID", "GITHUB_API_URL"] : ["app_id", "api_url"];
    const todo = `Check ${id}, the private key, ${api}, and this machine's clock.`;
    return { ok: false, detail: examined.message, todo };
  }
  const app = examined.value;
  const problems = [...appProblems(app, github, publicUrl), ...app.installations.flatMap(installationProblems)];
  const known = `${github.apiUrl} knows App ${github.appId} (${app.name})`;
  return {
    ok: problems.length === 0,
    detail: [known, installed(app), ...problems.map(({ wrong }) => wrong), ...remarks(app)].join("; "),
    todo: problems.map(({ todo }) => todo).join("\n"),
  };
}

interface Problem {
  readonly wrong: string;
  readonly todo: string;
}

function appProblems(app: Examined, { host, url, appId }: GithubConfig, publicUrl: string): readonly Problem[] {
  const page = `${url}/settings/apps (or your organization's) → App ${appId}`;
  const needed = app.missing.filter((one) => one.needed);
  const events = app.missingEvents.filter((name) => name !== "merge_group");
  const address = `${publicUrl}${githubWebhookPath(host)}`;
  return [
    ...needed.map((one) => ({
      wrong: `the App does not ask for ${asked(one)}: ${one.without}`,
      todo: `Give it ${asked(one)} at ${page} → Permissions & events; accounts it is installed on accept that then.`,
    })),
    ...(events.length === 0
      ? []
      : [
          {
            wrong: `the App does not hear of ${events.join(", ")}`,
            todo: `Subscribe to ${events.join(", ")} at ${page} → Permissions & events.`,
          },
        ]),
    ...(app.webhook === address
      ? []
      : [
          {
            wrong: app.webhook === null ? "the App has no webhook" : `the App's webhook goes to ${app.webhook}`,
            todo: `Set the webhook URL to ${address} at ${page} → General, or PUBLIC_URL to what people open.`,
          },
        ]),
  ];
}

function installationProblems({ login, missing, settings }: ExaminedInstallation): readonly Problem[] {
  const needed = missing.filter((one) => one.needed);
  if (needed.length === 0) return [];
  const names = needed.map(asked).join(", ");
  return [
    {
      wrong: `${login} has not accepted ${names}: ${needed.map((one) => one.without).join(", ")}`,
      todo: `An owner of ${login} accepts it at ${settings}.`,
    },
  ];
}

function installed({ installations, more }: Examined): string {
  const suspended = installations.filter((one) => one.suspended).map(({ login }) => login);
  const count = `${more ? "more than " : ""}${installations.length}`;
  const all = `${count} ${installations.length === 1 ? "installation" : "installations"}`;
  return suspended.length === 0 ? all : `${all}, suspended: ${suspended.join(", ")}`;
}

/** Worth knowing, and nothing that has to be put right. */
function remarks({ missing }: Examined): readonly string[] {
  return missing.filter((one) => !one.needed).map((one) => `without ${asked(one)} ${one.without}`);
}

function asked({ title, level }: WantedPermission): string {
  return `${title}: ${level === "read" ? "read-only" : "read and write"}`;
}
