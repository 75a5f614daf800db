/** What the settings page of an installation shows. */
import { shownTokenId, TOKEN_DAYS } from "../core/access-tokens.ts";
import { API_TOKEN_ROLES, shownApiTokenId } from "../core/api-tokens.ts";
import type { AuditRecord } from "../core/audit.ts";
import type { Installation } from "../core/model.ts";
import { NOTICE_EVENTS } from "../core/notices.ts";
import { whoIs } from "../core/pause.ts";
import { POLICY_SETTINGS, policyArguments } from "../core/policy-settings.ts";
import { apiTokenWorks } from "../engine/api-tokens.ts";
import type { AllowedAccess } from "../engine/further-repositories-port.ts";
import type { NoticeTarget } from "../engine/notices-port.ts";
import type { ListedRepository, PageQuery } from "../engine/store-port.ts";
import type { ShownVariable } from "../engine/variables-port.ts";
import { pauseSentence } from "./pause-notice.ts";
import { type TimeView, timeView, webLink } from "./present.ts";
import { onlySeen } from "./seen.ts";
import { CHOICES, DONE, type Said, type SettingsFrame, type SettingsParts, type SettingsVisitor } from "./settings.ts";
import { ownTokens } from "./settings-changes.ts";

/** What every page of settings has, whatever it is about. */
export interface SettingsBase {
  readonly frame: SettingsFrame;
  /** False: nothing can be changed by whoever looks. */
  readonly owner: boolean;
  /** Null: nothing was done, or it is said elsewhere. */
  readonly done: { readonly section: string; readonly text: string } | null;
  readonly shown: Extract<Said, { kind: "shown" }>["shown"] | null;
  /** Of the form it is for; null: nothing is wrong with it. */
  problemOf(change: string): string | null;
  /** What was typed into a form that is shown again; else `usual`. */
  typed(change: string, field: string, usual?: string): string;
}

export async function settingsBase(
  visitor: SettingsVisitor,
  installation: Installation,
  frame: SettingsFrame,
  said: Said | null,
): Promise<SettingsBase> {
  // All that owners change takes the same role as the audit log; each form asks for its own action once more.
  const owner = (await visitor.may("audit.see", { installation, repository: null })).kind === "allowed";
  const problem = said?.kind === "problem" ? said : null;
  const [section, text] = said?.kind === "done" ? DONE[said.what] : [null, null];
  return {
    frame,
    owner,
    done: section === null ? null : { section, text },
    shown: said?.kind === "shown" ? said.shown : null,
    problemOf: (change) => (problem?.change === change ? problem.message : null),
    typed: (change, field, usual = "") => (problem?.change === change ? (problem.typed[field] ?? "") : usual),
  };
}

const REPOSITORIES = 50;
const AUDIT = 50;

export async function settingsData(
  parts: SettingsParts,
  visitor: SettingsVisitor,
  installation: Installation,
  at: {
    readonly frame: SettingsFrame;
    readonly said: Said | null;
    readonly page: number;
    readonly audit: string | null;
  },
) {
  const { store } = parts;
  const base = await settingsBase(visitor, installation, at.frame, at.said);
  const { account, namespace, state, claim = null } = installation;
  const from = (at.page - 1) * REPOSITORIES;
  const [listed, choices, variables, access, pauses, tokens, registry, sharing, audit, apiTokens, notifications] =
    await Promise.all([
      store.repositoriesOf(installation, REPOSITORIES + 1, from),
      store.repositoriesOf(installation, CHOICES),
      store.listVariables({ installation, repository: null }),
      store.listAccess({ installation, limit: 100, cursor: null }),
      store.pausesOf({ installation }),
      namespace === null ? [] : ownTokens(parts, installation, namespace),
      namespace === null ? null : (parts.registryOf?.(namespace) ?? null),
      namespace === null ? null : (parts.namespaceDesk?.ledger(namespace) ?? null),
      base.owner ? auditOf(parts, installation, at.audit) : null,
      parts.apiTokens?.list(installation, { limit: 100, cursor: null }) ?? null,
      parts.noticeDesk?.list(installation) ?? null,
    ]);
  const now = parts.clock.now();
  // Owners see every repository of their account on the host, too; others learn no names here that it keeps from them.
  const shown = listed.slice(0, REPOSITORIES);
  const seen = base.owner ? shown : await onlySeen(visitor, shown, (repository) => ({ installation, repository }));
  const permissions = parts.permissions?.(installation) ?? null;
  return {
    ...base,
    login: account.login,
    provider: installation.provider,
    state,
    namespace,
    claim,
    registry,
    // Who else writes there: an image of theirs is as good as one of this account's to whoever pulls it.
    others: (sharing?.writers ?? []).filter((one) => one.account.id !== account.id).map((one) => one.login),
    codeUntil: sharing?.codeUntil == null ? null : timeView(sharing.codeUntil, now),
    shares: parts.namespaceDesk !== undefined,
    repositories: seen.map(repositoryView),
    page: at.page,
    more: listed.length > REPOSITORIES,
    choices: choices.filter(({ link }) => link !== "unlinked").map(({ id, fullName }) => ({ id, fullName })),
    policy: policyView(installation),
    variables: variables.map((one) => variableView(one, now)),
    tokens: tokens.map((token) => ({
      id: token.id,
      shownId: shownTokenId(token.id),
      name: token.name,
      access: token.access,
      by: whoIs(token.by),
      expires: timeView(token.expiresAt, now),
      used: token.lastUsedAt === null ? null : timeView(token.lastUsedAt, now),
    })),
    apiTokens:
      apiTokens?.items
        .filter((token) => apiTokenWorks(token, now))
        .map((token) => ({
          id: token.id,
          shownId: shownApiTokenId(token.id),
          name: token.name,
          role: token.role,
          by: whoIs(token.by),
          expires: timeView(token.expiresAt, now),
          used: token.lastUsedAt === null ? null : timeView(token.lastUsedAt, now),
        })) ?? null,
    // Of others their addresses are nobody's business.
    notifications: base.owner ? (notifications?.map((one) => notificationView(one, now)) ?? null) : null,
    noticeEvents: NOTICE_EVENTS,
    apiRoles: API_TOKEN_ROLES,
    days: TOKEN_DAYS,
    access: base.owner ? access.items.map((one) => accessView(one, now)) : [],
    // As far as they are told of.
    allowed: access.items.length,
    pauses: pauses.map((pause) => ({ kind: pause.kind, text: pauseSentence(pause) })),
    pausedHere: pauses.some(({ kind }) => kind === "installation"),
    permissions,
    lacking: permissions?.asked.filter(({ given }) => given === false).length ?? 0,
    audit,
  };
}

function repositoryView({ id, fullName, link, webUrl }: ListedRepository) {
  return { id, fullName, link, url: webLink(webUrl) };
}

function policyView({ policy }: Installation) {
  const values = policyArguments(policy).map((text) => text.slice(text.indexOf("=") + 1));
  return POLICY_SETTINGS.map(({ key, name, meaning, allowed }, index) => ({
    name,
    title: POLICY_TITLES[key],
    meaning: `${meaning.charAt(0).toUpperCase()}${meaning.slice(1)}.`,
    allowed,
    value: values[index] ?? "",
    /** Null: any number is typed. */
    options: key === "brake" ? null : allowed.split(/, | or /),
  }));
}

const POLICY_TITLES: Readonly<Record<keyof Installation["policy"], string>> = {
  forks: "Pull requests from forks",
  publishPullRequests: "Publish pull requests",
  onlyPullRequests: "Pull requests only",
  zeroConfig: "Build without a file",
  brake: "Brake",
};

export function variableView({ kind, name, value, fingerprint, savedAt }: ShownVariable, now: number) {
  return { kind, name, value, fingerprint, saved: timeView(savedAt, now) };
}

function notificationView({ id, kind, shown, events, by, toldAt, problem }: NoticeTarget, now: number) {
  return {
    ...{ id, kind, shown, events, by: whoIs(by) },
    told: toldAt === null ? null : timeView(toldAt, now),
    problem: problem === null ? null : { why: problem.why, at: timeView(problem.at, now) },
  };
}

function accessView({ repository, reads, covered, since, by }: AllowedAccess, now: number) {
  return { repository, reads, covered, since: timeView(since, now), by: whoIs(by) };
}

export interface AuditView {
  readonly entries: readonly {
    readonly at: TimeView;
    readonly by: string;
    readonly action: string;
    readonly subject: string;
    readonly facts: readonly string[];
  }[];
  /** Cursor of what is older; null: there is no more. */
  readonly next: string | null;
}

async function auditOf({ store, clock }: SettingsParts, of: Installation, cursor: string | null): Promise<AuditView> {
  const query: PageQuery = { limit: AUDIT, cursor };
  const { items, next } = await store.listAudit({ ...query, installation: of });
  return { entries: items.map((entry) => auditView(entry, clock.now())), next };
}

function auditView({ at, by, action, subject, facts }: AuditRecord, now: number): AuditView["entries"][number] {
  const told = Object.entries(facts).map(([name, value]) => `${name}: ${value}`);
  return { at: timeView(at, now), by: whoIs(by), action, subject, facts: told };
}
