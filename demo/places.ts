/** Repositories to push to, whichever host they are on and whichever door their events come through. */
import type {
  BitbucketHost,
  HostRepository as BitbucketRepository,
  HostReport,
  HostStatus,
} from "../test/hosts/bitbucket/index.ts";
import type { GithubHost, HostRepository as GithubRepository } from "../test/hosts/github/index.ts";

export interface Place {
  /** First part of its images' names. */
  readonly owner: string;
  push(message: string, files: Readonly<Record<string, string>>): Promise<Pushed>;
  /** What its host shows on a commit, once that is final; null: not yet. */
  shown(sha: string): Shown | null;
}

export interface Pushed {
  readonly sha: string;
  /** The host's own id of the webhook, and what it was answered. */
  readonly delivery: { readonly id: string; readonly status: number | null };
}

export interface Shown {
  /** In the host's words: `check “wharfinger”: success — …`. */
  readonly line: string;
  /** What a rule that requires it would make of it. */
  readonly passes: boolean;
  /** All the text there is about it. */
  readonly text: string;
}

export function githubPlace(host: GithubHost, owner: string, repository: GithubRepository): Place {
  return {
    owner,
    async push(message, files) {
      const { sha, delivery } = await host.push(repository, { message, files });
      return { sha, delivery: { id: delivery.guid, status: delivery.status } };
    },
    shown(sha) {
      const run = repository.checkRuns(sha).findLast((one) => one.name === "wharfinger");
      if (!run?.conclusion) return null;
      return {
        line: `check “${run.name}”: ${run.conclusion} — ${run.output.title}`,
        passes: ["success", "neutral", "skipped"].includes(run.conclusion),
        text: run.output.summary ?? "",
      };
    },
  };
}

export function bitbucketPlace(host: BitbucketHost, owner: string, repository: BitbucketRepository): Place {
  return {
    owner,
    async push(message, files) {
      const { sha, deliveries } = await repository.push([{ branch: repository.mainBranch, message, files }]);
      const [delivery] = deliveries;
      if (delivery === undefined) throw new Error(`${host.url} told nobody of a push to ${repository.fullName}`);
      return { sha, delivery: { id: delivery.requestUuid, status: delivery.status } };
    },
    shown(sha) {
      const status = repository.statuses(sha).findLast((one) => one.name === "wharfinger");
      if (status === undefined || status.state === "INPROGRESS") return null;
      return {
        line: `build status “${status.name}”: ${status.state} — ${status.description}`,
        passes: status.state === "SUCCESSFUL",
        text: [...statusLines(status), ...repository.reports(sha).flatMap(reportLines)].join("\n"),
      };
    },
  };
}

function statusLines({ url, refname }: HostStatus): string[] {
  return [`details  ${url}`, ...(refname === null ? [] : [`branch   ${refname}`])];
}

function reportLines({ content }: HostReport): string[] {
  const data = Array.isArray(content["data"]) ? (content["data"] as { title: string; value: unknown }[]) : [];
  return [
    `report “${content["title"]}”: ${content["result"]}`,
    ...data.map(({ title, value }) => `  ${title}: ${typeof value === "object" ? JSON.stringify(value) : value}`),
  ];
}
