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
import { judgeRule } from "../core/rules.ts";
import { suggestConfig } from "../core/suggest-config.ts";
import { zeroConfig } from "../core/zero-config.ts";
import type { BuildActions } from "../engine/build-actions.ts";
import type { Clock } from "../engine/ports.ts";
import type { RuleBook } from "../engine/rule-book.ts";
import type { ListedRepository, Store } from "../engine/store-port.ts";
import type { Surveyed, Surveys } from "../engine/surveys.ts";
import { installationAddress } from "./addresses.ts";
import { WebError } from "./errors.ts";
import { pauseSentence } from "./pause-notice.ts";
import { type BuildView, buildView, type TimeView, timeView, webLink } from "./present.ts";
import { onlySeen } from "./seen.ts";
import type { Visit } from "./visit.ts";

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
  const { provider, host, account, state, namespace, claim = null } = installation;
  return {
    href: installationAddress(installation),
    login: account.login,
    provider,
    host: host === "default" ? null : host,
    state,
    namespace,
    claim,
    repositories: counted.get(hostKey(installation)) ?? 0,
  };
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
  /** Page of its rules and settings. */
  readonly href: string;
  /** Of a push to the default branch; tags as its rules have them. */
  readonly images: readonly WouldBuild[];
  /** It can be built now, and whoever looks may have that done. */
  readonly mayBuild: boolean;
}

interface WouldBuild {
  readonly name: string;
  readonly tags: readonly string[];
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

export interface LandingParts {
  readonly store: InstallationsStore;
  readonly surveys: Pick<Surveys, "within">;
  /** Left out: the tags of files are not shown. */
  readonly rules?: RuleBook;
  /** Left out: nothing is started by hand. */
  readonly builds?: Pick<BuildActions, "start">;
  readonly clock: Clock;
}

/** The page people land on: what each repository holds, and what would be built of it. Who asks may see the installation. */
export async function installationData(parts: LandingParts, visit: Visit, installation: Installation, number: number) {
  const { store, surveys } = parts;
  const { policy } = installation;
  const found = await store.repositoriesOf(installation, REPOSITORIES + 1, (number - 1) * REPOSITORIES);
  const listed = await onlySeen(visit, found.slice(0, REPOSITORIES), (repository) => ({ installation, repository }));
  // What can not be built needs no file.
  const open = installation.state === "active" ? listed.filter(({ link }) => link === "linked") : [];
  const [counted, builds, answers, own, pauses] = await Promise.all([
    store.countRepositories([installation]),
    Promise.all(listed.map((repository) => lastBuild(store, repository))),
    surveys.within(PATIENCE_MS, installation, open),
    store.pausesOf({ installation }),
    Promise.all(listed.map((repository) => ownPause(store, repository))),
  ]);
  const asked = new Map(open.map((repository, index) => [repository, answers[index] ?? null]));
  const [built, mayBuild] = await Promise.all([
    Promise.all(open.map((repository) => wouldBuild(parts, installation, asked.get(repository) ?? null))),
    Promise.all(open.map((repository) => mayStart(parts, visit, installation, repository, asked.get(repository)))),
  ]);
  const now = parts.clock.now();
  const view = installationView(installation, counted);
  return {
    ...view,
    account: installation.account,
    paused: own.filter(({ kind }) => kind === "installation").map(pauseSentence),
    list: listed.map((repository, index): RepositoryView => {
      const { fullName, webUrl, link } = repository;
      const build = builds[index] ?? null;
      const answer = asked.get(repository);
      const pause = pauses[index] ?? null;
      const place = open.indexOf(repository);
      return {
        fullName,
        url: webLink(webUrl),
        href: `${view.href}/repositories/${encodeURIComponent(repository.id)}`,
        link,
        paused: pause === null ? null : pauseText(pause),
        build: build === null ? null : buildView(build, now),
        survey: answer === undefined ? null : surveyView(answer, policy, now),
        images: built[place] ?? [],
        mayBuild: mayBuild[place] ?? false,
      };
    }),
    number,
    before: number === 1 ? null : `${view.href}?page=${number - 1}`,
    after: found.length > REPOSITORIES ? `${view.href}?page=${number + 1}` : null,
  };
}

/** What a push to the default branch would make, by the file there or the zero-config rule; empty: nothing, or not known. */
async function wouldBuild(
  { rules }: LandingParts,
  { namespace, ...installation }: Installation,
  surveyed: Outcome<Surveyed> | null,
): Promise<readonly WouldBuild[]> {
  if (surveyed === null || !surveyed.ok || surveyed.value.survey === null) return [];
  const { repository, survey } = surveyed.value;
  const branch = survey.defaultBranch;
  const named = (image: string) => (namespace === null ? image : `${namespace}/${image}`);
  const read = survey.hasFile && rules !== undefined ? await rules(installation, repository) : null;
  const fact = read?.ok === true && read.value.kind === "read" ? read.value.parsed.config : null;
  const zero = !survey.hasFile && installation.policy.zeroConfig && survey.dockerfiles.includes("Dockerfile");
  const config = fact ?? (zero ? zeroConfig(repository, branch).config : null);
  return (config?.images ?? []).flatMap(({ name, rules: all }) => {
    const matching = all.filter((rule) => judgeRule(rule, { kind: "branch", name: branch }).matches);
    const tags = matching.flatMap((rule) => rule.tags ?? ["latest"]);
    const texts = tags.map((tag) => (typeof tag === "string" ? tag : tag.source));
    return matching.length === 0 ? [] : [{ name: named(name), tags: [...new Set(texts)] }];
  });
}

/** Asked only where there is something to build: each is a question to the host. */
async function mayStart(
  { builds }: LandingParts,
  visit: Visit,
  installation: Installation,
  repository: ListedRepository,
  answer: Outcome<Surveyed> | null | undefined,
): Promise<boolean> {
  const survey = answer?.ok === true ? answer.value.survey : null;
  const something = survey !== null && (survey.hasFile || survey.dockerfiles.includes("Dockerfile"));
  if (builds === undefined || !something || installation.namespace === null) return false;
  return (await visit.may("build.start", { installation, repository })).kind === "allowed";
}

/** Null where it is paused by something wider only, or not at all. */
async function ownPause(store: Pick<Store, "pausesOf">, repository: ListedRepository): Promise<Pause | null> {
  if (repository.link !== "paused") return null;
  return (await store.pausesOf({ repository })).find(({ kind }) => kind === "repository") ?? null;
}

/** `page` of an address. */
export function pageNumber(req: Request): number {
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
