import type { HostEvent } from "../core/events.ts";
import { failed, type HostId, type Outcome, ok, type Repository, type Sha } from "../core/model.ts";
import type { Clock, CloneCredential, Host, Logger } from "../engine/ports.ts";
import type { BitbucketAccess } from "./access.ts";
import {
  type GrantReader,
  readChangedPaths,
  readGrants,
  readInstallation,
  readRepositories,
  readTags,
} from "./facts.ts";
import { type Place, readFile, readTip } from "./file.ts";
import { createLooker } from "./look.ts";
import { parseBitbucket } from "./parse.ts";
import { readHead } from "./pulls.ts";
import { readRole } from "./roles.ts";
import { readSurvey } from "./survey.ts";

export interface BitbucketHostOptions {
  readonly access: BitbucketAccess;
  readonly grants: GrantReader;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Bitbucket's reading side. */
export function createBitbucketHost(options: BitbucketHostOptions): Host {
  const { access, grants, log } = options;
  const looker = createLooker(options);

  function placeOf(installation: HostId, repository: HostId): Place {
    return { access, installation, repository };
  }

  /** One delivery's questions about a branch get one answer. */
  async function tipOf(place: Place, branch: string): Promise<Outcome<Sha | null>> {
    const { installation, repository } = place;
    const recent = looker.recentTip(installation, repository, branch);
    if (recent !== null) return ok(recent);
    const tip = await readTip(place, "branches", branch);
    if (!tip.ok || tip.value === null) return tip.ok ? ok(null) : tip;
    looker.rememberTip(installation, repository, branch, tip.value.commit);
    return ok(tip.value.commit);
  }

  function forget(installation: HostId): void {
    access.forget(installation.id);
    looker.forget(installation);
  }

  /**
   * A workspace may have let us in by more than one door: that one of them closed is the end of the installation only if
   * none is left open.
   */
  async function settle(event: HostEvent): Promise<HostEvent> {
    if (event.type !== "installation") return event;
    // What was granted has just changed.
    forget(event.installation);
    if (event.action !== "removed") return event;
    const left = await readGrants(grants, event.installation.id);
    if (left.account === null) return event;
    log.info({ workspace: event.installation.id }, "a grant was taken back, another is left");
    if (!left.whole) return { ...event, action: "permissions" };
    const detail = `One of several grants of ${event.account.login} was taken back; what is left opens the whole workspace.`;
    return { type: "ignored", reason: "unsupported-event", detail };
  }

  return {
    provider: "bitbucket",
    host: access.host,
    async receive(delivery, handle) {
      const payload = parsePayload(delivery.body);
      const { host, webUrl } = access;
      const installationId = delivery.installationId ?? null;
      const result = parseBitbucket(delivery.event, payload, { host, webUrl, installationId });
      // Proven to be Bitbucket's and yet not usable: nothing to do now, nor when asked again.
      const event: HostEvent = result.ok
        ? result.event
        : { type: "ignored", reason: "unsupported-event", detail: result.message };
      await handle(await settle(event));
    },
    async look(installation, repository) {
      const looked = await looker.look(installation, repository);
      if (!looked.ok) return looked;
      return ok(looked.value === null ? { kind: "gone" } : { kind: "seen", repository: looked.value.repository });
    },
    async repository(installation, id) {
      // Its name is not looked at: it is asked for by its id.
      const looked = await looker.look(installation, { ...id, fullName: id.id, private: true });
      if (!looked.ok || looked.value === null) return looked.ok ? ok(null) : looked;
      // Bitbucket has no archive.
      return ok({ ...looked.value.repository, archived: false });
    },
    async tip(installation, repository, ref) {
      const [, kind, name] = /^refs\/(heads|tags)\/(.+)$/s.exec(ref) ?? [];
      if (name === undefined) return ok(null);
      return readTip(placeOf(installation, repository), kind === "heads" ? "branches" : "tags", name);
    },
    async file(installation, repository, at, path) {
      const place = placeOf(installation, repository);
      if (typeof at === "string") return readFile(place, at, path, { tip: false });
      const tip = await tipOf(place, at.branch);
      if (!tip.ok) return tip;
      if (tip.value === null) return ok({ kind: "missing", hint: null });
      return readFile(place, tip.value, path, { tip: true });
    },
    head: (event) => readHead(access, event),
    role: (installation, repository, actor) => readRole(access, installation, repository, actor),
    changedPaths(installation, repository, change) {
      const { defaultBranch } = repository;
      const place = placeOf(installation, repository);
      return readChangedPaths(place, change, { defaultBranch, tipOf: (branch) => tipOf(place, branch) });
    },
    tags: (installation, repository) => readTags(placeOf(installation, repository)),
    async survey(installation, repository) {
      const { defaultBranch } = repository;
      if (defaultBranch === null) return ok(null);
      const place = placeOf(installation, repository);
      const tip = await tipOf(place, defaultBranch);
      if (!tip.ok || tip.value === null) return tip.ok ? ok(null) : tip;
      return readSurvey(place, tip.value, defaultBranch);
    },
    installation: (id) => readInstallation(access, grants, id),
    repositories: (id) => readRepositories(access, grants, looker, id),
    async cloneCredential(installation, repository, further = []) {
      const credentials: CloneCredential[] = [];
      // A token of the add-on opens one repository or the whole workspace: hence one for each.
      for (const one of [repository, ...further]) {
        // Git sends the credential wherever the address points.
        if (!isSameOrigin(one, access.webUrl)) {
          return failed(`The clone address of ${one.fullName} is not on this Bitbucket.`, { retryable: false });
        }
        const credential = await access.cloneCredential({ workspace: installation.id, repository: one.id });
        if (!credential.ok) return one === repository ? credential : about(one.fullName, credential);
        credentials.push(credential.value);
      }
      const [own, ...rest] = credentials;
      if (own === undefined) throw new Error("a repository without a credential");
      return ok(rest.length === 0 ? own : { ...own, further: rest });
    },
    forget,
  };
}

function about(name: string, failure: Outcome<never> & { readonly ok: false }): Outcome<never> {
  return { ...failure, message: `${name}: ${failure.message}` };
}

function isSameOrigin({ cloneUrl }: Pick<Repository, "cloneUrl">, webUrl: string): boolean {
  return URL.canParse(cloneUrl) && new URL(cloneUrl).origin === new URL(webUrl).origin;
}

/** The entrance took nothing that is not JSON, so what is not was damaged since. V8's own error would quote it. */
function parsePayload(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    throw new Error("The stored body of the delivery is not JSON.");
  }
}
