import type { Actor, InstallationState, LinkState } from "../core/model.ts";
import type { ConnectClient } from "../engine/grants-port.ts";
import type { Clock, Logger } from "../engine/ports.ts";
import type { ConnectClients } from "./clients.ts";
import { type FrameVisitor, makeFrameToken, readFrameToken } from "./frame-token.ts";
import type { OwnerCheck } from "./owners.ts";
import { parseUuid } from "./uuid.ts";

/** What the pages in Bitbucket show, read for them. */
export interface FramedReaders {
  /** Null: the engine has not heard of the workspace yet. */
  installation(workspace: string): Promise<FramedInstallation | null>;
  /** The last ones, newest first; of one repository of the workspace, or of all. */
  builds(of: { readonly workspace: string; readonly repository: string | null }): Promise<readonly FramedBuild[]>;
}

/** Settings of a workspace, as the rest of the program shows and changes them. */
export interface FramedSettings {
  /** Null: the engine has not heard of the workspace yet. `sent`: fields of a form by their names; null: none was sent. */
  show(visitor: FramedVisitor, sent: ((field: string) => string) | null): Promise<Shown | null>;
}

/** An owner of the workspace, as Bitbucket said at most a minute ago. */
export interface FramedVisitor {
  readonly workspace: string;
  readonly user: Actor;
  /** What forms have to carry in {@link FORM_FIELD}. */
  readonly formToken: string;
}

export const FORM_FIELD = "frame_token";

export interface FramedInstallation {
  readonly login: string;
  readonly state: InstallationState;
  readonly namespace: string | null;
  readonly repositories: readonly { readonly id: string; readonly fullName: string; readonly state: LinkState }[];
}

/** A build, ready to be shown. */
export interface FramedBuild {
  readonly href: string;
  readonly state: string;
  readonly stateText: string;
  readonly image: string;
  /** False: it is built and tested only. */
  readonly publishes: boolean;
  readonly tags: readonly string[];
  readonly repository: string;
  /** Null: of a branch or tag that was pushed. */
  readonly pullRequest: { readonly number: number; readonly target: string; readonly fork: boolean } | null;
  readonly ref: string;
  readonly kind: string;
  readonly sha: string;
  /** Empty while it has not begun. */
  readonly duration: string;
  readonly created: { readonly iso: string; readonly text: string; readonly ago: string };
}

/** A page as `views/<view>.eta` is given it. */
export interface Shown {
  readonly status: number;
  readonly view: "bitbucket-configure" | "bitbucket-settings-repository" | "bitbucket-repository" | "bitbucket-notice";
  readonly data: { readonly title: string; readonly [name: string]: unknown };
}

export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface FramedPagesOptions {
  readonly readers: FramedReaders;
  readonly isOwner: OwnerCheck;
  readonly settings: FramedSettings;
  readonly clients: Pick<ConnectClients, "find">;
  readonly appSecret: string | null;
  readonly clock: Clock;
  readonly log: Pick<Logger, "warn">;
}

/** A page for a client whose token was verified; the query was part of what the token is for. */
export type FramedPage = (client: ConnectClient, query: Query) => Promise<Shown>;

/** Settings of a workspace, for those who own it: the token says nothing of who looks, the address does. */
export function createConfigurePage(options: FramedPagesOptions): FramedPage {
  return async (client, query) => {
    const [workspace, user] = [parseUuid(query["workspace"]), parseUuid(query["user"])];
    if (user === null || workspace === null) return incomplete();
    if (workspace !== client.workspace) return otherWorkspace();
    return await settingsFor(options, { client, user, since: options.clock.now() }, null);
  };
}

/** What a form of that page does. It is not signed by Bitbucket, and carries who was shown the page. */
export function createConfigureForm(options: FramedPagesOptions): (sent: (field: string) => string) => Promise<Shown> {
  return async (sent) => {
    const { clients, appSecret, clock, log } = options;
    const visitor = await readFrameToken(sent(FORM_FIELD), { clients, appSecret, now: clock.now() });
    if (visitor !== null) return await settingsFor(options, visitor, sent);
    log.warn({}, "a form in Bitbucket's frame was not taken");
    return tooOld();
  };
}

async function settingsFor(
  { isOwner, settings, appSecret, clock }: FramedPagesOptions,
  visitor: FrameVisitor,
  sent: ((field: string) => string) | null,
): Promise<Shown> {
  const { client, user } = visitor;
  const owner = await isOwner(client, user);
  if (!owner.ok) {
    const message = "Bitbucket did not say whether you own this workspace. Load the page again in a minute.";
    return notice(503, "Not now", message);
  }
  if (owner.value === null) {
    const message = "Only owners of this workspace see its settings. Ask one of them, or to become one.";
    return notice(403, "For owners only", message);
  }
  const formToken = makeFrameToken(visitor, appSecret, clock.now());
  if (formToken === null) return tooOld();
  return (await settings.show({ workspace: client.workspace, user: owner.value, formToken }, sent)) ?? notYet();
}

/** Builds of one repository. Bitbucket signs its address only for those to whom it shows the repository. */
export function createRepositoryPage({ readers }: Pick<FramedPagesOptions, "readers">): FramedPage {
  return async ({ workspace }, query) => {
    const id = parseUuid(query["repository"]);
    if (id === null) return incomplete();
    const installation = await readers.installation(workspace);
    if (installation === null) return notYet();
    const repository = installation.repositories.find((one) => one.id === id);
    if (repository === undefined) {
      const message = "Nothing is known of this repository yet: the next push to it makes it known.";
      return notice(404, "Not known yet", message);
    }
    const builds = await readers.builds({ workspace, repository: id });
    return { status: 200, view: "bitbucket-repository", data: { title: repository.fullName, repository, builds } };
  };
}

/** `lead`: where to go on, in a tab of its own; null: nowhere. */
export function notice(
  status: number,
  title: string,
  message: string,
  lead: { readonly href: string; readonly text: string } | null = null,
): Shown {
  return { status, view: "bitbucket-notice", data: { title, message, lead } };
}

function incomplete(): Shown {
  const message = "Bitbucket did not say what this page is about. Open it from Bitbucket's own pages, signed in.";
  return notice(400, "Incomplete address", message);
}

function tooOld(): Shown {
  const message = "This page was open for too long, so nothing was done. Open it in Bitbucket again.";
  return notice(401, "Open it again", message);
}

function otherWorkspace(): Shown {
  return notice(403, "Another workspace", "This address is about another workspace than the one that signed it.");
}

function notYet(): Shown {
  return notice(404, "Not ready yet", "The installation is being recorded. Load the page again in a minute.");
}
