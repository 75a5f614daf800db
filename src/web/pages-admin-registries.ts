import express, { type Request, type Response } from "express";
import { DEFAULT_REGISTRY, KID_FORMATS } from "../core/registry-settings.ts";
import type { RegistryCredential } from "../engine/registries.ts";
import type { Done, Refused, RegistryDesk, ShownRegistry, Trial } from "../engine/registry-desk.ts";
import { deciderOf } from "../engine/viewer.ts";
import { field } from "./forms.ts";
import { adminPage, checked } from "./operations.ts";
import { nothingHere, type PageKit, type Visit } from "./visit.ts";

const LIST = "/admin/registries";

/** A bundle of certificates is some hundred kilobytes, and half as much again in a form. */
const readRegistryForm = express.urlencoded({ extended: false, limit: "600kb", parameterLimit: 20 });

/** What was refused, and what was typed: never a password. */
interface Problem {
  /** The form it is about. */
  readonly form: Change;
  readonly why: string;
  readonly typed: Typed;
}

type Typed = Readonly<Record<string, string>>;

const CHANGES = ["save", "test", "credential", "forget", "use", "remove"] as const;
type Change = (typeof CHANGES)[number];

const DONE: Readonly<Record<Exclude<Change, "test">, string>> = {
  save: "Saved, after trying it.",
  credential: "Saved, after signing in with it.",
  forget: "Removed the credential.",
  use: "Images of this namespace that are planned from now on go here.",
  remove: "Removed the registry, and its credentials.",
};

/** `…/registries`: each is tried before anything of it is saved, and no password is ever shown. */
export function addRegistryPages({ formPage, send }: PageKit, { desk }: { readonly desk: RegistryDesk }): void {
  formPage(
    LIST,
    (req, res, visit) => showList(res, visit, { done: doneText(req), problem: null }),
    async (req, res, visit) => {
      const name = field(req, "name").trim();
      const there = (await desk.list()).some((one) => one.name === name);
      const saved = there ? taken(name) : await save(req, visit, name);
      if (saved.ok) res.redirect(303, `${addressOf(name)}?done=save`);
      else await showList(res.status(statusOf(saved)), visit, { done: null, problem: problemOf("save", saved, req) });
    },
    readRegistryForm,
  );

  formPage(
    `${LIST}/:name`,
    (req, res, visit) => showOne(req, res, visit, { done: doneText(req), problem: null, trials: null }),
    async (req, res, visit) => {
      const name = req.params["name"] ?? "";
      const change = CHANGES.find((known) => known === field(req, "change"));
      if (change === undefined) throw nothingHere(visit);
      const answer = await act(req, visit, name, change);
      if (!answer.ok) {
        const problem = problemOf(change, answer, req);
        await showOne(req, res.status(statusOf(answer)), visit, { done: null, problem, trials: null });
      } else if (change === "test") {
        await showOne(req, res, visit, { done: null, problem: null, trials: answer.value });
      } else {
        res.redirect(303, `${change === "remove" ? LIST : addressOf(name)}?done=${change}`);
      }
    },
    readRegistryForm,
  );

  /** What was tried, of a test; else nothing. */
  async function act(req: Request, visit: Visit, name: string, change: Change): Promise<Done<readonly Trial[]>> {
    const by = deciderOf(visit.viewer);
    const namespace = field(req, "namespace").trim();
    const whose = namespace === "" ? null : namespace;
    switch (change) {
      case "test":
        return await desk.test(name);
      case "save":
        return nothing(await save(req, visit, name));
      case "credential": {
        const credential = credentialIn(req);
        if (credential === null) return bad("Give a user name and a password or token, each one line of text.");
        return nothing(await desk.setCredential(name, whose, credential, by));
      }
      case "forget":
        return nothing(await desk.removeCredential(name, whose, by));
      case "use":
        return nothing(await desk.use(name, namespace, by));
      case "remove":
        return nothing(await desk.remove(name, by));
    }
  }

  async function save(req: Request, visit: Visit, name: string): Promise<Done<ShownRegistry>> {
    const asked = field(req, "username") !== "" || field(req, "password") !== "";
    const credential = asked ? credentialIn(req) : null;
    if (asked && credential === null) return bad("Give a user name and a password or token, each one line of text.");
    return await desk.save(name, settingsIn(req), credential, deciderOf(visit.viewer));
  }

  async function showList(
    res: Response,
    visit: Visit,
    said: { readonly done: string | null; readonly problem: Problem | null },
  ): Promise<void> {
    const registries = (await desk.list()).map(registryView);
    const typed = said.problem?.typed ?? {};
    send(res, visit, "admin-registries", {
      ...adminPage("Registries", "registries"),
      ...said,
      registries,
      typed,
      kids: KID_FORMATS,
    });
  }

  async function showOne(
    req: Request,
    res: Response,
    visit: Visit,
    said: {
      readonly done: string | null;
      readonly problem: Problem | null;
      readonly trials: readonly Trial[] | null;
    },
  ): Promise<void> {
    const registry = (await desk.list()).find(({ name }) => name === req.params["name"]);
    if (registry === undefined) throw nothingHere(visit);
    const view = registryView(registry);
    const typed = said.problem?.form === "save" ? said.problem.typed : settingsTyped(registry);
    const data = {
      ...adminPage(`Registry ${registry.name}`, "registries"),
      ...said,
      registry: view,
      typed,
      kids: KID_FORMATS,
    };
    send(res, visit, "admin-registry", data);
  }
}

function nothing<T>(done: Done<T>): Done<readonly Trial[]> {
  return done.ok ? { ok: true, value: [] } : done;
}

function bad(message: string): Refused {
  return { ok: false, kind: "bad", message };
}

function taken(name: string): Refused {
  return { ok: false, kind: "conflict", message: `There is a registry ${name} already: change it on its own page.` };
}

const STATUS: Readonly<Record<Refused["kind"], number>> = { bad: 422, unknown: 404, conflict: 409, refused: 422 };

function statusOf({ kind }: Refused): number {
  return STATUS[kind];
}

function problemOf(form: Change, { message }: Refused, req: Request): Problem {
  const names = ["name", "username", "namespace", ...SETTINGS];
  const why = `${message.slice(0, 1).toUpperCase()}${message.slice(1)}`;
  return { form, why, typed: Object.fromEntries(names.map((name) => [name, field(req, name)])) };
}

const SETTINGS = ["url", "kind", "ca", "insecure", "namespaces", "staging", "accounts", "tokenService", "tokenKid"];

/** As {@link RegistryDesk.save} takes them. An empty field is the default. */
function settingsIn(req: Request): object {
  const text = (name: string) => field(req, name).trim();
  const given = ["url", "kind", "namespaces", "staging", "tokenKid"].flatMap((name) =>
    text(name) === "" ? [] : [[name, text(name)]],
  );
  return {
    ...Object.fromEntries(given),
    ca: text("ca") === "" ? null : text("ca"),
    insecure: checked(req, "insecure"),
    accounts: text("accounts")
      .split(/[\s,]+/)
      .filter((account) => account !== ""),
    tokenService: text("tokenService") === "" ? null : text("tokenService"),
  };
}

function settingsTyped({ settings }: ShownRegistry): Typed {
  return {
    url: settings.url,
    kind: settings.kind,
    ca: settings.ca ?? "",
    insecure: settings.insecure ? "on" : "",
    namespaces: settings.namespaces,
    staging: settings.staging,
    accounts: settings.accounts.join(" "),
    tokenService: settings.tokenService ?? "",
    tokenKid: settings.tokenKid,
  };
}

/** No header or file can hold control characters as they are. */
const LINE = /^[^\p{Cc}]+$/u;

function credentialIn(req: Request): RegistryCredential | null {
  const [username, password] = [field(req, "username"), field(req, "password")];
  const fits = username.length <= 1_024 && password.length <= 8_192 && LINE.test(username) && LINE.test(password);
  return fits ? { username, password } : null;
}

function registryView({ name, host, settings, username, credentials, namespaces }: ShownRegistry) {
  return {
    name,
    href: addressOf(name),
    host,
    kind: settings.kind,
    url: settings.url,
    settings: { ...settings, ca: settings.ca !== null },
    username,
    credentials,
    namespaces,
    /** The environment configures it, and nobody changes it here. */
    fixed: name === DEFAULT_REGISTRY,
  };
}

function addressOf(name: string): string {
  return `${LIST}/${encodeURIComponent(name)}`;
}

function doneText(req: Request): string | null {
  const done = CHANGES.find((known) => known === req.query["done"]);
  return done === undefined || done === "test" ? null : DONE[done];
}
