/** What the forms of the settings do: each demands its action, says what is wrong, and leaves a line in the audit log. */
import { parseTokenWish } from "../core/access-tokens.ts";
import { parseApiTokenWish } from "../core/api-tokens.ts";
import type { Decider } from "../core/audit.ts";
import { type HostId, hostKey, type Installation } from "../core/model.ts";
import { NOTICE_EVENTS } from "../core/notices.ts";
import type { Scope } from "../core/pause.ts";
import { POLICY_SETTINGS, parsePolicyArguments } from "../core/policy-settings.ts";
import { ACTIONS, type Action } from "../core/roles.ts";
import { works } from "../engine/access-tokens.ts";
import type { AccessToken } from "../engine/access-tokens-port.ts";
import type { Decided } from "../engine/namespace-desk.ts";
import { scopeJson } from "../engine/pause-shapes.ts";
import { type Preview, tellReplayed } from "../engine/replay.ts";
import type { ListedRepository, Page } from "../engine/store-port.ts";
import { setVariable } from "../engine/variables.ts";
import { deciderOf } from "../engine/viewer.ts";
import { demandAllowed, WebError } from "./errors.ts";
import type { DoneCode, PreviewView, Problem, Said, SettingsParts, SettingsVisitor } from "./settings.ts";
import { trialView } from "./settings-trial.ts";

/** A form that was sent; `field` is empty for what it does not have. */
export interface Sent {
  readonly installation: Installation;
  /** The one its page is about; null: the installation's own page. */
  readonly repository: ListedRepository | null;
  field(name: string): string;
}

interface Asking extends Sent {
  readonly parts: SettingsParts;
  readonly by: Decider;
}

interface Change {
  action(sent: Sent): Action;
  run(asking: Asking): Promise<Said>;
}

/** By the value of the field `change`. */
const CHANGES: Readonly<Record<string, Change>> = {
  policy: { action: () => "policy.change", run: changePolicy },
  "save-variable": { action: () => "variable.change", run: saveVariable },
  "remove-variable": { action: () => "variable.change", run: removeVariable },
  "make-token": { action: () => "token.change", run: makeToken },
  "revoke-token": { action: () => "token.change", run: revokeToken },
  "make-api-token": { action: () => "token.change", run: makeApiToken },
  "revoke-api-token": { action: () => "token.change", run: revokeApiToken },
  "add-notification": { action: () => "notification.change", run: addNotification },
  "remove-notification": { action: () => "notification.change", run: removeNotification },
  "test-notification": { action: () => "notification.change", run: testNotification },
  "allow-access": { action: () => "access.change", run: allowAccess },
  "disallow-access": { action: () => "access.change", run: disallowAccess },
  pause: { action: pauseAction, run: pause },
  resume: { action: pauseAction, run: resume },
  preview: { action: pauseAction, run: previewResume },
  "make-code": { action: () => "namespace.share", run: makeCode },
  "enter-code": { action: () => "namespace.share", run: enterCode },
  try: { action: () => "build.see", run: tryOut },
  build: { action: () => "build.start", run: build },
};

/** Does what a form asks for. Throws where its sender may not, or nobody can say. */
export async function change(parts: SettingsParts, visitor: SettingsVisitor, sent: Sent): Promise<Said> {
  const name = sent.field("change");
  const known = Object.hasOwn(CHANGES, name) ? CHANGES[name] : undefined;
  if (known === undefined) throw new WebError(400, "bad-change", "This form is of no kind that is known here.");
  const { installation, repository } = sent;
  const action = known.action(sent);
  const inRepository = ACTIONS[action].of === "repository";
  if (inRepository && repository === null) throw new WebError(400, "bad-change", "This form is about no repository.");
  demandAllowed(await visitor.may(action, { installation, repository: inRepository ? repository : null }));
  return known.run({ ...sent, field: (field) => sent.field(field), parts, by: deciderOf(visitor.viewer) });
}

function pauseAction({ repository }: Sent): Action {
  return repository === null ? "account.pause" : "repository.pause";
}

async function changePolicy({ parts, installation, by, field }: Asking): Promise<Said> {
  const given = POLICY_SETTINGS.map(({ name }) => [name, field(name).trim()] as const);
  const parsed = parsePolicyArguments(given.map(([name, value]) => `${name}=${value}`));
  if (!parsed.ok) return problem("policy", sentence(parsed.message), Object.fromEntries(given));
  await parts.store.setPolicy(installation, parsed.policy, by);
  return done("policy-saved");
}

async function saveVariable({ parts, installation, repository, by, field }: Asking): Promise<Said> {
  const kind = field("kind") === "secret" ? "secret" : "variable";
  // Browsers end the lines of a text area with CR LF, whatever was pasted.
  const [name, value] = [field("name").trim(), field("value").replaceAll("\r\n", "\n")];
  const set = await setVariable(parts.store, { installation, repository }, { kind, name, value }, by);
  if (set.kind === "saved") return done("variable-saved");
  return problem("save-variable", set.why, { kind, name, ...(kind === "variable" && { value }) });
}

async function removeVariable({ parts, installation, repository, by, field }: Asking): Promise<Said> {
  const kind = field("kind") === "secret" ? "secret" : "variable";
  const removed = await parts.store.removeVariable({ installation, repository }, { kind, name: field("name") }, by);
  return removed ? done("variable-removed") : problem("remove-variable", "It was removed already.", {});
}

async function makeToken({ parts, installation, by, field }: Asking): Promise<Said> {
  const { namespace, account } = installation;
  const typed = { name: field("name").trim(), access: field("access"), days: field("days").trim() };
  if (namespace === null) return problem("make-token", "There is no namespace yet that a token could open.", typed);
  const days = /^\d{1,4}$/.test(typed.days) ? Number(typed.days) : null;
  const parsed = parseTokenWish({ ...typed, days: days ?? typed.days, account: hostKey(account) });
  if (!parsed.ok) return problem("make-token", sentence(parsed.message), typed);
  const made = await parts.accessTokens.make(namespace, parsed.wish, by);
  if (made.kind === "refused") return problem("make-token", made.why, typed);
  const { token, secret, registry } = made;
  const login = `docker login ${registry} --username ${namespace} --password-stdin`;
  return { kind: "shown", shown: { kind: "token", name: token.name, access: token.access, secret, login } };
}

async function revokeToken({ parts, installation, by, field }: Asking): Promise<Said> {
  const { namespace } = installation;
  const id = field("token");
  const own = namespace === null ? [] : await ownTokens(parts, installation, namespace);
  // A namespace may be shared: the other account's tokens are not this one's to revoke.
  if (namespace === null || !own.some((token) => token.id === id)) {
    return problem("revoke-token", "This account has no such token that works.", {});
  }
  await parts.accessTokens.revoke(namespace, id, by);
  return done("token-revoked");
}

/** Those of the account that work, newest first. */
export async function ownTokens(
  { accessTokens, clock }: Pick<SettingsParts, "accessTokens" | "clock">,
  { account }: Installation,
  namespace: string,
): Promise<readonly AccessToken[]> {
  const own: AccessToken[] = [];
  for (let cursor: string | null = null; ; ) {
    const page: Page<AccessToken> | null = await accessTokens.list(namespace, { limit: 100, cursor });
    const items = page?.items ?? [];
    own.push(...items.filter((one) => hostKey(one.account) === hostKey(account) && works(one, clock.now())));
    if (page === null || page.next === null) return own;
    cursor = page.next;
  }
}

async function makeApiToken({ parts, installation, by, field }: Asking): Promise<Said> {
  const typed = { name: field("name").trim(), role: field("role"), days: field("days").trim() };
  const { apiTokens } = parts;
  if (apiTokens === undefined) return problem("make-api-token", "Programs get no tokens here.", typed);
  const days = /^\d{1,4}$/.test(typed.days) ? Number(typed.days) : typed.days;
  const parsed = parseApiTokenWish({ ...typed, days });
  if (!parsed.ok) return problem("make-api-token", sentence(parsed.message), typed);
  const made = await apiTokens.make(installation, parsed.wish, by);
  if (made.kind === "refused") return problem("make-api-token", made.why, typed);
  const { name, role } = made.token;
  return { kind: "shown", shown: { kind: "api-token", name, role, secret: made.secret } };
}

async function revokeApiToken({ parts, installation, by, field }: Asking): Promise<Said> {
  const revoked = (await parts.apiTokens?.revoke(installation, field("token"), by)) ?? null;
  return revoked === null ? problem("revoke-api-token", "There is no such token.", {}) : done("api-token-revoked");
}

/** The address of a webhook is a secret: it is not shown again. */
async function addNotification({ parts, installation, by, field }: Asking): Promise<Said> {
  const address = field("address").trim();
  const kind = address.includes("://") ? "webhook" : "email";
  const events = NOTICE_EVENTS.filter((event) => field(event) === "on");
  const ticked = Object.fromEntries(events.map((event) => [event, "on"]));
  const typed = { ...(kind === "email" && { address }), ...ticked };
  if (parts.noticeDesk === undefined) return problem("add-notification", "Nobody is told of builds here.", typed);
  const added = await parts.noticeDesk.add({ installation, kind, address, events }, by);
  return added.kind === "added" ? done("notification-added") : problem("add-notification", added.why, typed);
}

async function removeNotification({ parts, installation, by, field }: Asking): Promise<Said> {
  const removed = await parts.noticeDesk?.remove(installation, field("notification"), by);
  return removed ? done("notification-removed") : problem("remove-notification", "It was removed already.", {});
}

async function testNotification({ parts, installation, field }: Asking): Promise<Said> {
  const tried = (await parts.noticeDesk?.test(installation, field("notification"))) ?? null;
  if (tried === null) return gone("test-notification");
  return tried.ok ? done("notification-tested") : problem("test-notification", tried.why, {});
}

async function allowAccess({ parts, installation, by, field }: Asking): Promise<Said> {
  const typed = { repository: field("repository_id"), reads: field("reads") };
  const access = accessOf(installation, typed);
  if (access === null) {
    return problem("allow-access", "Choose two repositories, and not the same one twice.", typed);
  }
  const allowed = await parts.store.allowAccess(access, by);
  if (allowed !== "not-covered") return done("access-allowed");
  return problem("allow-access", "The installation does not cover both of these repositories.", typed);
}

async function disallowAccess({ parts, installation, by, field }: Asking): Promise<Said> {
  const access = accessOf(installation, { repository: field("repository_id"), reads: field("reads") });
  const was = access !== null && (await parts.store.disallowAccess(access, by));
  return was ? done("access-disallowed") : problem("disallow-access", "It was taken back already.", {});
}

function accessOf(
  installation: HostId,
  { repository, reads }: { readonly repository: string; readonly reads: string },
) {
  if (repository === "" || reads === "" || repository === reads) return null;
  const { provider, host } = installation;
  const named = (id: string): HostId => ({ provider, host, id });
  return { installation, repository: named(repository), reads: named(reads) };
}

function scopeOf({ installation, repository }: Sent): Scope {
  return repository === null ? { kind: "installation", id: installation } : { kind: "repository", id: repository };
}

async function pause(asking: Asking): Promise<Said> {
  const { parts, by, field } = asking;
  const scope = scopeOf(asking);
  const paused = await parts.store.pause(scope, { by, stop: field("stop") === "on" });
  if (paused === null) return gone("pause");
  parts.log.warn({ scope: scopeJson(scope), stopped: paused.stopped }, "paused");
  return done("paused");
}

async function resume(asking: Asking): Promise<Said> {
  const { parts, by } = asking;
  const scope = scopeOf(asking);
  const resumed = await parts.store.resume(scope, by);
  if (resumed === null) return gone("resume");
  parts.log.warn({ scope: scopeJson(scope) }, "resumed");
  tellReplayed(resumed, parts.log);
  return done(resumed.remaining.length === 0 ? "resumed" : "still-paused");
}

async function previewResume(asking: Asking): Promise<Said> {
  const preview = await asking.parts.preview(scopeOf(asking));
  if (preview === null) return gone("preview");
  const scope = asking.repository?.fullName ?? asking.installation.account.login;
  return { kind: "shown", shown: { kind: "preview", scope, preview: previewView(preview) } };
}

function previewView({ running, queued, lanes, further }: Preview): PreviewView {
  return {
    running,
    queued,
    further,
    lanes: lanes.map(({ lane, answer }) => {
      const named = { lane: lane.lane.replace(/^refs\/(?:heads|tags)\//, ""), repository: lane.repository.fullName };
      if (answer.kind === "unknown") return { ...named, lines: [`Not known: ${answer.why}.`] };
      return {
        ...named,
        lines: [
          ...answer.builds.map(({ image, tags, push }) => `${image} is built${push ? ` as ${tags.join(", ")}` : ""}.`),
          ...answer.held.map(({ image }) => `${image} waits for somebody to approve it.`),
          ...answer.skips.map(({ detail }) => `${sentence(detail)}`),
        ],
      };
    }),
  };
}

async function makeCode({ parts, installation, by }: Asking): Promise<Said> {
  const { namespaceDesk } = parts;
  const { namespace } = installation;
  if (namespaceDesk === undefined || namespace === null) {
    return problem("make-code", "There is no namespace yet that could be shared.", {});
  }
  const made = await namespaceDesk.code(namespace, installation, by);
  if (made.kind !== "done") return undecided("make-code", made, {});
  return { kind: "shown", shown: { kind: "code", code: made.code, until: made.until, namespace } };
}

async function enterCode({ parts, installation, by, field }: Asking): Promise<Said> {
  // The code itself is not shown again: it may be right for another namespace.
  const namespace = field("namespace").trim().replace(/\/$/, "");
  if (parts.namespaceDesk === undefined) return problem("enter-code", "Namespaces are not shared here.", { namespace });
  const joined = await parts.namespaceDesk.join(namespace, field("code"), installation, by);
  return joined.kind === "done" ? done("joined") : undecided("enter-code", joined, { namespace });
}

/** A branch or tag that is there, or the name of one that is not. */
async function tryOut({ parts, installation, repository, field }: Asking): Promise<Said> {
  const typed = { name: field("name").trim(), kind: field("kind") };
  const { trials } = parts;
  if (trials === undefined || repository === null) return problem("try", "Nothing can be tried here.", typed);
  if (typed.name === "") return problem("try", "Type the name of a branch or a tag.", typed);
  if (typed.name.length > LONGEST_REF) return problem("try", "No branch or tag has so long a name.", typed);
  const tried =
    typed.kind === "branch" || typed.kind === "tag"
      ? await trials.ofName(repository, typed.kind, typed.name)
      : await trials.ofRef(repository, typed.name);
  if (!tried.ok) return problem("try", sentence(tried.message), typed);
  return { kind: "shown", shown: { kind: "trial", typed, trial: trialView(tried.value, installation.namespace) } };
}

/** Bytes in a name of Git's, as far as hosts take it. */
const LONGEST_REF = 255;

async function build({ parts, repository, by, field }: Asking): Promise<Said> {
  const typed = { ref: field("ref").trim() };
  if (parts.builds === undefined || repository === null) return problem("build", "Nothing is started here.", typed);
  const started = await parts.builds.start({ repository, ref: typed.ref || null, image: field("image") || null }, by);
  switch (started.kind) {
    case "started":
      return { kind: "shown", shown: { kind: "started", delivery: started.delivery } };
    case "no-repository":
      return gone("build");
    case "no-ref":
    case "refused":
    case "unknown":
      return problem("build", started.why, typed);
  }
}

function undecided(of: string, { why }: Exclude<Decided<object>, { kind: "done" }>, typed: Problem["typed"]): Problem {
  return problem(of, why, typed);
}

function done(what: DoneCode): Said {
  return { kind: "done", what };
}

function problem(of: string, message: string, typed: Problem["typed"]): Problem {
  return { kind: "problem", change: of, status: 422, message, typed };
}

function gone(of: string): Problem {
  return problem(of, "It is not there any more.", {});
}

function sentence(clause: string): string {
  const text = clause.charAt(0).toUpperCase() + clause.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
