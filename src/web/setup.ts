/** The setup wizard: all there is until an instance has been told what it needs. */
import express, { type Express, type Request, type RequestHandler, type Response } from "express";
import type { Clock, Logger } from "../engine/ports.ts";
import type { SetupDesk, SetupEnd, SetupState, SetupStep } from "../engine/setup-port.ts";
import { clientAddress } from "./attempts.ts";
import { methodNotAllowed, route, WebError } from "./errors.ts";
import { demandOwnForm } from "./forms.ts";
import type { SetupSession, SetupSessions } from "./setup-session.ts";
import { ACTS, type Answer } from "./setup-steps.ts";
import type { Views } from "./views.ts";
import { answerError, contentPolicy, headers, sendAsset } from "./web.ts";

export interface SetupWebOptions {
  readonly desk: SetupDesk;
  readonly sessions: SetupSessions;
  readonly views: Views;
  readonly clock: Clock;
  readonly log: Logger;
  /** Tells this process from all others to whoever asks `/healthz`; no secret. */
  readonly identity: string;
  /** The last answer was sent: nothing is asked here any more. */
  onFinished(end: SetupEnd): void;
}

export const STEPS: readonly { readonly name: SetupStep; readonly title: string }[] = [
  { name: "address", title: "Address" },
  { name: "github", title: "GitHub" },
  { name: "bitbucket", title: "Bitbucket" },
  { name: "registry", title: "Registry" },
  { name: "builder", title: "Builder" },
  { name: "operator", title: "Operator" },
];
const NAMES = STEPS.map(({ name }) => name).join("|");

/** A private key of 4096 bits, written as forms write it, and all around it. */
const readLongForm: RequestHandler = express.urlencoded({ extended: false, limit: "64kb", parameterLimit: 30 });

export function createSetupWeb(options: SetupWebOptions): Express {
  const { desk, sessions, views, log } = options;
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.enable("case sensitive routing");
  app.set("query parser", "simple");

  app.use((req, res, next) => {
    route(async () => {
      const { publicUrl } = await desk.state();
      headers(publicUrl.startsWith("https:"))(req, res, next);
    })(req, res, next);
  });
  app.get("/healthz", (_req, res) => {
    res.json({ ok: true, setup: options.identity });
  });
  app.get("/readyz", (_req, res) => {
    const detail = "set up first: the link to do that was printed where this was started";
    res.status(503).json({ ok: false, checks: [{ name: "setup", ok: false, detail }] });
  });
  app.get("/assets/:name", sendAsset(views));

  app.get(/^\/setup\/[\w-]{43}$/, (req, res, next) => {
    route(async () => {
      // Only a browser that shows it to somebody uses the link up.
      if (req.method !== "GET") throw methodNotAllowed("GET");
      const { publicUrl } = await desk.state();
      const url = new URL(publicUrl);
      const cookie = sessions.open(req.path.slice("/setup/".length), url.protocol === "https:" && isAt(req, publicUrl));
      if (cookie === null) {
        log.warn({ from: clientAddress(req) }, "a setup link was not taken");
        throw new WebError(403, "setup-link-used", USED);
      }
      log.info({}, "the setup link was opened");
      res.set("Set-Cookie", cookie).redirect(303, "/setup");
    })(req, res, next);
  });

  const visited = (show: (req: Request, res: Response, session: SetupSession) => Promise<void>) =>
    route(async (req, res) => {
      const session = sessions.of(req);
      if (session === null) throw new WebError(403, "setup-closed", CLOSED);
      await show(req, res, session);
    });
  const changed = (act: (req: Request, res: Response, session: SetupSession) => Promise<void>) => [
    readLongForm,
    visited(async (req, res, session) => {
      demandOwnForm(req, session);
      await act(req, res, session);
    }),
  ];

  async function page(req: Request, res: Response, session: SetupSession, name: SetupStep | "finish", answer: Answer) {
    const state = await desk.state();
    const elsewhere = isAt(req, state.publicUrl) ? null : state.publicUrl;
    const target = answer.formTarget ?? elsewhere;
    if (target !== null) res.set("Content-Security-Policy", contentPolicy(new URL(target).origin));
    const index = STEPS.findIndex((one) => one.name === name);
    const step = STEPS[index];
    const data = {
      title: step === undefined ? "Finish the setup" : `Set up: ${step.title}`,
      section: null,
      // The layout's own is of who is signed in, and shows what there is to look at then.
      formToken: null,
      setupToken: session.formToken,
      steps: stepsOf(state, name),
      next: STEPS[index + 1]?.name ?? "finish",
      state,
      elsewhere,
      trust: name === "registry" ? await desk.trust() : null,
      ...NOTHING,
      ...answer,
    } as const;
    res.status(answer.status ?? 200).send(views.render(answer.view ?? `setup-${name}`, data));
  }

  app.get(
    "/setup",
    visited(async (_req, res) => {
      const { done } = await desk.state();
      const open = STEPS.find(({ name }) => !done.has(name) && (name !== "bitbucket" || !done.has("github")));
      res.redirect(303, `/setup/${open?.name ?? "finish"}`);
    }),
  );
  app.get(
    new RegExp(`^/setup/(${NAMES})$`),
    visited((req, res, session) => page(req, res, session, nameIn(req), {})),
  );
  app.post(
    new RegExp(`^/setup/(${NAMES})$`),
    changed(async (req, res, session) => {
      const name = nameIn(req);
      await page(req, res, session, name, await ACTS[name](req, desk));
    }),
  );
  app.post(
    "/setup/move",
    changed(async (_req, res) => {
      const { publicUrl } = await desk.state();
      res.redirect(303, `${publicUrl}/setup/${sessions.link()}`);
    }),
  );
  app.get(
    "/setup/github/callback",
    visited(async (req, res, session) => {
      const { code, state } = req.query;
      const taken = await desk.takeApp(typeof code === "string" ? code : "", typeof state === "string" ? state : "");
      // Not at this address, where loading the page again would ask for the same once more.
      if (taken.ok) {
        res.redirect(303, "/setup/github");
        return;
      }
      log.warn({ from: clientAddress(req) }, "an answer of GitHub to the setup was not taken");
      await page(req, res, session, "github", { status: 400, alert: taken.message });
    }),
  );
  app.get(
    "/setup/registry/registry-token.crt",
    visited(async (_req, res) => {
      const trust = await desk.trust();
      if (trust === null)
        throw new WebError(404, "not-found", "The registry is not one that trusts tokens of this program.");
      res.attachment("registry-token.crt").type("application/x-pem-file").send(trust.certificates);
    }),
  );
  app.get(
    "/setup/finish",
    visited((req, res, session) => page(req, res, session, "finish", {})),
  );
  app.post(
    "/setup/finish",
    changed(async (req, res, session) => {
      const end = await desk.finish();
      if (!("publicUrl" in end)) {
        await page(req, res, session, "finish", { status: 422, problems: end });
        return;
      }
      res.on("finish", () => options.onFinished(end));
      res.set("Connection", "close");
      await page(req, res, session, "finish", { view: "setup-done", end });
    }),
  );

  app.get("/", (req, res) => {
    if (sessions.of(req) !== null) res.redirect(303, "/setup");
    else throw new WebError(503, "not-set-up", CLOSED);
  });
  app.use((_req, _res, next) => {
    next(new WebError(503, "not-set-up", CLOSED, { "Retry-After": "60" }));
  });
  app.use(answerError(views, log, { pages: false }));
  return app;
}

const CLOSED =
  "This server is being set up. Only the link that was printed where it was started opens the setup; for a new link, restart it there.";
const USED =
  "This link was used already, is older than an hour, or is not whole. For a new one, restart the server where it was started.";

/** What templates may ask of every step, as it is where nothing was done. */
const NOTHING = {
  alert: null,
  notice: null,
  problems: [],
  tried: [],
  values: {},
  shown: null,
  form: null,
  change: null,
  end: null,
};

function nameIn(req: Request): SetupStep {
  const name = STEPS.find((step) => req.path === `/setup/${step.name}`)?.name;
  if (name === undefined) throw new Error(`${req.path} was found to be a step's`);
  return name;
}

/** Whether the browser is at the address GitHub will send it back to: the session is of one address. */
function isAt({ headers: { host } }: Request, publicUrl: string): boolean {
  return host === new URL(publicUrl).host;
}

function stepsOf({ done }: SetupState, current: SetupStep | "finish") {
  const all = STEPS.map(({ name, title }) => ({ name, title, done: done.has(name), current: name === current }));
  return [...all, { name: "finish", title: "Finish", done: false, current: current === "finish" }];
}
