/** What the pages about installations show: how each stands, and what there is to build in its repositories. */
import type { Request } from "express";
import {
  hostKey,
  type Installation,
  type InstallationState,
  type LinkState,
  type Outcome,
  type Policy,
  type Provider,
} from "../core/model.ts";
import { type Pause, pauseText } from "../core/pause.ts";
import { POLICY_SETTINGS, policyArguments } from "../core/policy-settings.ts";
import { shellQuote } from "../core/reproduce.ts";
import { suggestConfig } from "../core/suggest-config.ts";
import type { ListedRepository, Store } from "../engine/store-port.ts";
import type { Surveyed, Surveys } from "../engine/surveys.ts";
import { WebError } from "./errors.ts";
import { pauseSentence } from "./pause-notice.ts";
import { type BuildView, buildView, type TimeView, timeView, webLink } from "./present.ts";
import { hostIdIn } from "./requests.ts";

export type InstallationsStore = Pick<
  Store,
  "pausesOf" | "getInstallation" | "repositoriesOf" | "countRepositories" | "listBuilds"
>;

export interface InstallationView {
  readonly href: string;
  readonly login: string;
  readonly provider: Provider;
  /** Null: the provider's one public host. */
  readonly host: string | null;
  readonly state: InstallationState;
  readonly namespace: string | null;
  /** What it asks for, while that is not decided. */
  readonly claim: { readonly id: string; readonly why: string } | null;
  /** That it covers now. */
  readonly repositories: number;
}

export async function installationsData(
  store: Pick<Store, "countRepositories">,
  listed: readonly Installation[],
): Promise<{ readonly installations: readonly InstallationView[] }> {
  const counted = await store.countRepositories(listed);
  return { installations: listed.map((one) => installationView(one, counted)) };
}

function installationView(installation: Installation, counted: ReadonlyMap<string, number>): InstallationView {
  const { provider, host, id, account, state, namespace, claim = null } = installation;
  return {
    href: `/installations/${[provider, host, id].map(encodeURIComponent).join("/")}`,
    login: account.login,
    provider,
    host: host === "default" ? null : host,
    state,
    namespace,
    claim,
    repositories: counted.get(hostKey(installation)) ?? 0,
  };
}

/** One setting as the command line writes it: `forks=approve`. */
interface SettingView {
  readonly text: string;
  readonly meaning: string;
  readonly allowed: string;
}

interface RepositoryView {
  readonly fullName: string;
  readonly url: string | null;
  readonly link: LinkState;
  /** Since when, and by whom; null: it is not paused by itself. */
  readonly paused: string | null;
  readonly build: BuildView | null;
  /** Null: nobody looks into what is not built. */
  readonly survey: SurveyView | null;
}

/** What a repository holds. `asked`: when its host was asked; null: just now. */
export type SurveyView =
  | { readonly kind: "pending" }
  | { readonly kind: "unknown"; readonly why: string }
  | { readonly kind: "file"; readonly asked: TimeView | null }
  | { readonly kind: "nothing"; readonly asked: TimeView | null }
  | {
      readonly kind: "dockerfiles";
      readonly asked: TimeView | null;
      readonly branch: string;
      readonly shown: readonly string[];
      /** How many there are besides, `3`, `at least 95`; null: none. */
      readonly more: string | null;
      /** Null: none of them can be named in a file. */
      readonly snippet: string | null;
      /** The root's Dockerfile is built without a file. */
      readonly zeroConfig: boolean;
    };

const REPOSITORIES = 20;
const SHOWN_DOCKERFILES = 5;
/** A survey lists no more. */
const MAX_DOCKERFILES = 100;
/** A page nobody waits for too long. */
const PATIENCE_MS = 3_000;
const JUST_NOW_MS = 60_000;

export async function installationData(
  parts: { readonly store: InstallationsStore; readonly surveys: Pick<Surveys, "within">; now(): number },
  req: Request,
) {
  const { store, surveys } = parts;
  const id = hostIdIn(req);
  const installation = id === null ? null : await store.getInstallation(id);
  if (installation === null) throw new WebError(404, "not-found", "There is no such installation.");
  const { policy } = installation;
  const number = pageNumber(req);
  const found = await store.repositoriesOf(installation, REPOSITORIES + 1, (number - 1) * REPOSITORIES);
  const listed = found.slice(0, REPOSITORIES);
  // What can not be built needs no file.
  const open = installation.state === "active" ? listed.filter(({ link }) => link === "linked") : [];
  const [counted, builds, answers] = await Promise.all([
    store.countRepositories([installation]),
    Promise.all(listed.map((repository) => lastBuild(store, repository))),
    surveys.within(PATIENCE_MS, installation, open),
  ]);
  const own = await store.pausesOf({ installation });
  const pauses = await Promise.all(listed.map((repository) => ownPause(store, repository)));
  const now = parts.now();
  const asked = new Map(open.map((repository, index) => [repository, answers[index] ?? null]));
  const view = installationView(installation, counted);
  return {
    ...view,
    account: installation.account,
    paused: own.filter(({ kind }) => kind === "installation").map(pauseSentence),
    resume: `wharfinger resume ${shellQuote(hostKey(installation))}`,
    settings: settingViews(policy),
    command: `wharfinger policy ${shellQuote(hostKey(installation))} zero-config=${policy.zeroConfig ? "off" : "on"}`,
    list: listed.map((repository, index): RepositoryView => {
      const { fullName, webUrl, link } = repository;
      const build = builds[index] ?? null;
      const answer = asked.get(repository);
      const pause = pauses[index] ?? null;
      return {
        fullName,
        url: webLink(webUrl),
        link,
        paused: pause === null ? null : pauseText(pause),
        build: build === null ? null : buildView(build, now),
        survey: answer === undefined ? null : surveyView(answer, policy, now),
      };
    }),
    number,
    before: number === 1 ? null : `${view.href}?page=${number - 1}`,
    after: found.length > REPOSITORIES ? `${view.href}?page=${number + 1}` : null,
  };
}

/** Null where it is paused by something wider only, or not at all. */
async function ownPause(store: Pick<Store, "pausesOf">, repository: ListedRepository): Promise<Pause | null> {
  if (repository.link !== "paused") return null;
  return (await store.pausesOf({ repository })).find(({ kind }) => kind === "repository") ?? null;
}

function pageNumber(req: Request): number {
  const { page = "1" } = req.query;
  if (typeof page !== "string" || !/^[1-9]\d{0,5}$/.test(page)) {
    throw new WebError(400, "bad-page", "page must be a whole number from 1.");
  }
  return Number(page);
}

async function lastBuild(store: Pick<Store, "listBuilds">, repository: ListedRepository) {
  const { items } = await store.listBuilds({ limit: 1, cursor: null, repository });
  return items[0] ?? null;
}

function settingViews(policy: Policy): readonly SettingView[] {
  const texts = policyArguments(policy);
  return POLICY_SETTINGS.map(({ meaning, allowed }, index) => ({ text: texts[index] ?? "", meaning, allowed }));
}

export function surveyView(answer: Outcome<Surveyed> | null, { zeroConfig }: Policy, now: number): SurveyView {
  if (answer === null) return { kind: "pending" };
  if (!answer.ok) return { kind: "unknown", why: answer.message };
  const { repository, survey, at } = answer.value;
  if (survey === null)
    return { kind: "unknown", why: "its host lists no files of it, because there are no commits or too many files" };
  const asked = now - at < JUST_NOW_MS ? null : timeView(new Date(at).toISOString(), now);
  const { hasFile, dockerfiles } = survey;
  if (hasFile) return { kind: "file", asked };
  if (dockerfiles.length === 0) return { kind: "nothing", asked };
  const more = dockerfiles.length - SHOWN_DOCKERFILES;
  return {
    kind: "dockerfiles",
    asked,
    branch: repository.defaultBranch ?? "",
    shown: dockerfiles.slice(0, SHOWN_DOCKERFILES),
    more: more <= 0 ? null : `${dockerfiles.length >= MAX_DOCKERFILES ? "at least " : ""}${more}`,
    snippet: suggestConfig(repository, dockerfiles),
    zeroConfig: zeroConfig && dockerfiles.includes("Dockerfile"),
  };
}
