import { makeBadge } from "badge-maker";
import express, { type Request, type Router } from "express";
import { BADGES } from "../core/badge.ts";
import type { Badges, WantedBadge } from "../engine/badges.ts";
import { methodNotAllowed, route } from "./errors.ts";

/** Pages that show a badge ask again after this time; image proxies keep to it too. */
const FRESH_S = 60;
const MAX_NAME = 300;

/**
 * `GET /badge/{github,bitbucket}/{owner}/{repo}.svg?branch=&image=&token=`, for READMEs: open to everybody, and shown inside
 * other sites' pages. Of a further host, `/badge/github/{host}/{owner}/{repo}.svg`. What is not to be known looks like what is not there: 404, and a badge that says so.
 */
export function createBadgeRoutes(badges: Badges): Router {
  const router = express.Router({ caseSensitive: true });
  router.get(
    PATHS,
    route(async (req, res) => {
      const wanted = wantedBadge(req);
      const { state, open } = wanted === null ? { state: "unknown" as const, open: true } : await badges.state(wanted);
      const { message, color } = BADGES[state];
      res
        .status(state === "unknown" ? 404 : 200)
        .set({
          "Content-Type": "image/svg+xml; charset=utf-8",
          "Cache-Control": open ? `public, max-age=${FRESH_S}` : `private, max-age=${FRESH_S}`,
          // Of images in other sites' pages; there is nothing in it to run.
          "Cross-Origin-Resource-Policy": "cross-origin",
          "Content-Security-Policy": "default-src 'none'; sandbox",
        })
        .send(makeBadge({ label: "wharfinger", message, color }));
    }),
  );
  router.all(PATHS, (_req, _res, next) => next(methodNotAllowed("GET, HEAD")));
  return router;
}

const PATHS = ["/badge/:provider/:owner/:file", "/badge/:provider/:host/:owner/:file"];

function wantedBadge({ params, query }: Request): WantedBadge | null {
  const provider = (["github", "bitbucket"] as const).find((one) => one === params["provider"]);
  const [, name] = /^(.+)\.svg$/.exec(params["file"] ?? "") ?? [];
  const fullName = `${params["owner"]}/${name}`;
  const { host = "default" } = params;
  const { branch = null, image = null, token = null } = query;
  const isText = (value: unknown): value is string | null =>
    value === null || (typeof value === "string" && value.length <= MAX_NAME);
  if (provider === undefined || name === undefined || fullName.length > MAX_NAME) return null;
  if (!isText(branch) || !isText(image) || !isText(token)) return null;
  return { provider, host: String(host), fullName, branch, image, token };
}
