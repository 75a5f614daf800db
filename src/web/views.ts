import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
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
  readonly section: Section | null;
  /** Null: nobody is signed in, and the navigation is left out. */
  readonly formToken: string | null;
  /** Who is signed in; null or left out: nobody. */
  readonly who?: { readonly name: string; readonly operator: boolean } | null;
  /** Parts of it change while somebody looks; left out: none. */
  readonly live?: boolean;
  /** What everybody has to know who is signed in; null or left out: nothing. */
  readonly notice?: string | null;
}

export type Section = "builds" | "deliveries" | "installations" | "health" | "admin";

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Scripts of packages, as they are published; each is served by this one name alone. */
const PACKAGED: Readonly<Record<string, string>> = {
  "htmx.js": "htmx.org/dist/htmx.min.js",
  "sse.js": "htmx-ext-sse/dist/sse.min.js",
};

/** Templates and assets are read from `folder`, scripts of packages from where they are installed; all once, now. */
export function createViews(folder: string, version: string): Views {
  const eta = new Eta({ views: folder, cache: true, escapeFunction: escapeHtml });
  const assets = new Map<string, { type: string; body: Buffer }>();
  const urls: Record<string, string> = {};
  const { resolve } = createRequire(import.meta.url);
  const files = new Map([
    ...readdirSync(join(folder, "assets")).map((file): [string, string] => [file, join(folder, "assets", file)]),
    ...Object.entries(PACKAGED).map(([file, path]): [string, string] => [file, resolve(path)]),
  ]);
  for (const [file, path] of files) {
    const type = TYPES[extname(file)];
    if (type !== undefined) {
      const body = readFileSync(path);
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
