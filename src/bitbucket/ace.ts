import { readFile } from "node:fs/promises";
import createAce from "atlassian-connect-express";
import express, { type Express, type RequestHandler } from "express";
import { z } from "zod";
import type { ConnectStore } from "./connect-store.ts";

/** What is used of atlassian-connect-express: the descriptor it fills in, and its check of a page's token. */
export interface Ace {
  readonly descriptor: object;
  authenticate(): RequestHandler;
}

export interface AceOptions {
  /** Where the descriptor's template is; absolute, because the library looks in the working directory. */
  readonly descriptor: string;
  /** Without a slash at its end, which Bitbucket can not stand. */
  readonly publicUrl: string;
  readonly appKey: string;
  /** `https://bitbucket.org`. */
  readonly webUrl: string;
  readonly store: ConnectStore;
  /** The variables of this process: the library reads them, too, whatever it is configured with. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const templateSchema = z.looseObject({
  key: z.literal("{{appKey}}"),
  baseUrl: z.literal("{{localBaseUrl}}"),
});

/** The library's declarations lack most of its settings, and its loader is not the one its types describe. */
type CreateAce = (
  app: Express,
  options: { readonly config: { readonly production: object } },
  logger: object,
  files: { readonly descriptorFilename: string; readonly configFileName: string },
  onReady: () => void,
) => Ace & { readonly descriptor: { readonly key?: unknown; readonly baseUrl?: unknown } };

const library = createAce as unknown as CreateAce & {
  readonly store: { register(name: string, create: () => ConnectStore): void };
};

/** Rejects, with what to do, where the descriptor or the environment would make something else of the app. */
export async function createConnectLibrary(options: AceOptions): Promise<Ace> {
  refuseEnvironment(options.environment);
  // What the library throws for a descriptor it can not use comes after its constructor, where nobody can catch it.
  const template = templateSchema.safeParse(JSON.parse(await readFile(options.descriptor, "utf8")));
  if (!template.success) throw new Error(`${options.descriptor} lacks {{appKey}} or {{localBaseUrl}}.`);
  const ace = await construct(options);
  if (ace.descriptor.key !== options.appKey || ace.descriptor.baseUrl !== options.publicUrl) {
    throw new Error("The Connect library has made another app of the descriptor: is there a $ in PUBLIC_URL?");
  }
  // No more of it than these two: its HTTP client would call the API unsigned, `authenticate(true)` skip the address.
  return { descriptor: ace.descriptor, authenticate: () => ace.authenticate() };
}

/** `AC_OPTS=no-auth` would open every page, `AC_LOCAL_BASE_URL` would send webhooks elsewhere. */
function refuseEnvironment(environment: AceOptions["environment"]): void {
  const names = Object.keys(environment).filter((name) => name.startsWith("AC_"));
  if (names.length === 0) return;
  throw new Error(
    `Unset ${names.join(", ")}: the Connect library reads variables that begin with AC_ over what this server is ` +
      "configured with, and some of them turn its checks off.",
  );
}

/** Without the listener the library adds: it logs what nobody has handled and goes on; this process is to fail loudly. */
function construct(options: AceOptions): Promise<ReturnType<CreateAce>> {
  const listeners = new Set(process.listeners("unhandledRejection"));
  try {
    return begin(options);
  } finally {
    for (const listener of process.listeners("unhandledRejection")) {
      if (!listeners.has(listener)) process.off("unhandledRejection", listener);
    }
  }
}

/** All but waiting happens before this returns. */
function begin(options: AceOptions): Promise<ReturnType<CreateAce>> {
  // Each app right before it takes it: the library keeps stores by name, for the whole process.
  library.store.register("wharfinger", () => options.store);
  const production = {
    product: "bitbucket",
    appKey: options.appKey,
    localBaseUrl: options.publicUrl,
    store: { adapter: "wharfinger" },
    hosts: [],
    // Errors come to us, who know how our pages look.
    expressErrorHandling: true,
    setupInstallRoute: false,
  };
  // Never mounted: its routes for webhooks all have one address, and would take the first event for every other.
  const app = express();
  // Whatever NODE_ENV says: in development the library watches its files and registers itself anew.
  app.set("env", "production");
  return new Promise((resolve) => {
    // Without a name there is no file of settings in the working directory that could be merged into these.
    const files = { descriptorFilename: options.descriptor, configFileName: "" };
    const ace = library(app, { config: { production } }, SILENT, files, () => resolve(ace));
  });
}

const silent = () => undefined;

/** Its messages quote what strangers have sent. */
const SILENT = { debug: silent, info: silent, warn: silent, error: silent };
