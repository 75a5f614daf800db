/**
 * `/setup/github`, and `/setup/github/HOST` of a further host, where GitHub sends people once they have installed the App,
 * changed that, or asked an owner to.
 */
import type { Request, Response, Router } from "express";
import type { HostId, Outcome } from "../core/model.ts";
import type { Authorizer } from "../engine/authorize.ts";
import type { SessionStore } from "../engine/sessions-port.ts";
import type { Store } from "../engine/store-port.ts";
import { installationAddress } from "./addresses.ts";
import type { Gate } from "./auth.ts";
import { demandAllowed, route } from "./errors.ts";
import type { Views } from "./views.ts";
import { createPageKit, type Visit } from "./visit.ts";

export interface LandingParts {
  readonly store: Pick<Store, "getInstallation">;
  readonly sessions: Pick<SessionStore, "widenReach">;
  readonly views: Views;
  readonly gate: Gate;
  readonly authorizer: Authorizer;
  /** Where the App is installed from, by GitHub host. */
  readonly installPages: ReadonlyMap<string, () => Promise<Outcome<string>>>;
}

const AGAIN_SECONDS = 3;
/** GitHub's word of an install takes seconds; after a minute something else is wrong. */
const MAX_TRIES = 20;

export function createLandingPages({ store, sessions, views, installPages, ...who }: LandingParts): Router {
  const kit = createPageKit({ views, ...who });
  for (const host of new Set(["default", ...installPages.keys()])) {
    const path = host === "default" ? "/setup/github" : `/setup/github/${host}`;
    // Whoever asked an owner need not be anybody here yet, and is told nothing of anybody's.
    const showRequest = route(async (_req, res) => {
      const page = (await installPages.get(host)?.()) ?? null;
      const data = { title: "Waiting for an owner", section: null, formToken: null } as const;
      res.send(views.render("setup-request", { ...data, link: page?.ok ? page.value : null }));
    });
    kit.router.get(path, (req, res, next) => {
      if (req.query["setup_action"] === "request") showRequest(req, res, next);
      else next();
    });
    kit.page(path, (req, res, visit) => land(host, req, res, visit));
  }
  return kit.router;

  async function land(host: string, req: Request, res: Response, visit: Visit): Promise<void> {
    const id = idIn(host, req);
    if (id === null) {
      res.redirect(303, "/installations");
      return;
    }
    // The address is anybody's to write: the host is asked who may see what it names.
    if (await sees(store, visit, id)) {
      await sessions.widenReach(visit.session.key, id);
      res.redirect(303, installationAddress(id));
      return;
    }
    const tries = triesOf(req);
    const over = tries >= MAX_TRIES;
    const again = `${req.path}?${new URLSearchParams({ installation_id: id.id, tries: String(tries + 1) })}`;
    // Not there yet and not theirs look the same: nobody learns by it which numbers are installations.
    if (!over) res.set("Refresh", `${AGAIN_SECONDS}; url=${again}`);
    kit.send(res, visit, "setup-waiting", { title: over ? "Not here" : "Almost there", section: null, over, again });
  }
}

async function sees(store: LandingParts["store"], visit: Visit, id: HostId): Promise<boolean> {
  if ((await store.getInstallation(id)) === null) return false;
  const answer = await visit.may("account.see", { installation: id, repository: null });
  if (answer.kind === "refused") return false;
  demandAllowed(answer);
  return true;
}

function idIn(host: string, { query }: Request): HostId | null {
  const { installation_id: id } = query;
  return typeof id === "string" && /^[1-9]\d{0,15}$/.test(id) ? { provider: "github", host, id } : null;
}

function triesOf({ query }: Request): number {
  const { tries } = query;
  return typeof tries === "string" && /^\d{1,2}$/.test(tries) ? Number(tries) : 0;
}
