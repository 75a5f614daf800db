import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { Eta } from "eta";
import { escapeHtml } from "./escape.ts";

export interface Views {
  /** Renders `views/<name>.eta` into the layout. */
  render<T extends PageData>(name: string, data: T): string;
  /** A file of `views/assets` by its hashed name; null: there is none. */
  asset(name: string): { readonly type: string; readonly body: Buffer } | null;
}

/** What the layout needs of every page, beside what the page's own template reads. */
export interface PageData {
  readonly title: string;
  /** Entry of the navigation to mark; null: none. */
  readonly section: "builds" | "deliveries" | "installations" | null;
  /** Null: nobody is signed in, and the navigation is left out. */
  readonly formToken: string | null;
  /** What everybody has to know who is signed in; null or left out: nothing. */
  readonly notice?: string | null;
}

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Templates and assets are read from `folder`; assets once, now. */
export function createViews(folder: string, version: string): Views {
  const eta = new Eta({ views: folder, cache: true, escapeFunction: escapeHtml });
  const assets = new Map<string, { type: string; body: Buffer }>();
  const urls: Record<string, string> = {};
  for (const file of readdirSync(join(folder, "assets"))) {
    const type = TYPES[extname(file)];
    if (type !== undefined) {
      const body = readFileSync(join(folder, "assets", file));
      const hash = createHash("sha256").update(body).digest("hex").slice(0, 12);
      const name = file.replace(/(?=\.\w+$)/, `.${hash}`);
      assets.set(name, { type, body });
      urls[file] = `/assets/${name}`;
    }
  }
  return {
    render: (name, data) => eta.render(name, { ...data, assets: urls, version }),
    asset: (name) => assets.get(name) ?? null,
  };
}
