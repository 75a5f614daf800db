/** Settings as an owner sees and changes them in a frame of Bitbucket's, which has said who they are. */
import type { Actor, HostId } from "../core/model.ts";
import type { Authorizer } from "../engine/authorize.ts";
import { mayAs, type Viewer } from "../engine/viewer.ts";
import { publicError, WebError } from "./errors.ts";
import type { FramedReaders } from "./framed.ts";
import { repositoryOf, type Said, type SettingsFrame, type SettingsParts, type SettingsVisitor } from "./settings.ts";
import { change } from "./settings-changes.ts";
import { settingsData } from "./settings-page.ts";
import { repositorySettingsData } from "./settings-repository.ts";

export interface FramedSettings {
  /** Null: nothing was heard of the workspace yet. `sent`: fields of a form by their names; null: none was sent. */
  show(visitor: FramedVisitor, sent: ((field: string) => string) | null): Promise<FramedAnswer | null>;
}

/** An owner of the workspace, as Bitbucket said a moment ago. */
export interface FramedVisitor {
  readonly workspace: string;
  readonly user: Actor;
  /** What forms carry to say who sends them. */
  readonly formToken: string;
}

export interface FramedAnswer {
  readonly status: number;
  readonly view: "bitbucket-configure" | "bitbucket-settings-repository" | "bitbucket-notice";
  readonly data: { readonly title: string; readonly [name: string]: unknown };
}

const ADDRESS = "/bitbucket/configure";
/** Of an owner who changes something, by an earlier look at who owns the workspace: what they see, and nothing they do. */
const SEEN: ReadonlySet<string> = new Set(["account.see", "audit.see"]);

export function createFramedSettings(
  parts: SettingsParts,
  { authorizer, readers }: { readonly authorizer: Authorizer; readonly readers: Pick<FramedReaders, "builds"> },
): FramedSettings {
  async function answer(visitor: FramedVisitor, sent: (field: string) => string): Promise<FramedAnswer | null> {
    const { workspace, formToken } = visitor;
    const installation = await parts.store.getInstallation({ provider: "bitbucket", host: "default", id: workspace });
    if (installation === null) return null;
    const asked = sent("repository");
    const repository = asked === "" ? null : await repositoryOf(parts.store, installation, asked);
    if (asked !== "" && repository === null) throw new WebError(404, "not-found", "There is no such repository here.");
    const whose = visitorOf(authorizer, visitor);
    const said: Said | null =
      sent("change") === "" ? null : await change(parts, whose, { installation, repository, field: sent });
    const status = said?.kind === "problem" ? said.status : 200;
    const frame = frameOf(formToken, repository);
    if (repository !== null) {
      const data = await repositorySettingsData(parts, whose, { installation, repository }, { frame, said });
      return { status, view: "bitbucket-settings-repository", data: { ...data, title: data.fullName } };
    }
    const [data, builds] = await Promise.all([
      settingsData(parts, whose, installation, { frame, said, page: 1, audit: null }),
      readers.builds({ workspace, repository: null }),
    ]);
    return { status, view: "bitbucket-configure", data: { ...data, title: data.login, builds } };
  }

  return {
    async show(visitor, sent) {
      try {
        return await answer(visitor, sent ?? (() => ""));
      } catch (error) {
        if (!(error instanceof WebError)) throw error;
        const { status, message } = publicError(error);
        return { status, view: "bitbucket-notice", data: { title: "That did not work", message } };
      }
    },
  };
}

function visitorOf(authorizer: Authorizer, { user: actor }: FramedVisitor): SettingsVisitor {
  const viewer: Extract<Viewer, { kind: "person" }> = {
    kind: "person",
    person: { provider: "bitbucket", host: "default", actor },
  };
  return {
    viewer,
    may: async (action, place) =>
      SEEN.has(action) ? { kind: "allowed" } : await mayAs(authorizer, viewer, action, place),
  };
}

function frameOf(formToken: string, repository: HostId | null): SettingsFrame {
  const token = { name: "frame_token", value: formToken };
  const hidden = repository === null ? [token] : [token, { name: "repository", value: repository.id }];
  return { action: ADDRESS, hidden, links: null };
}
