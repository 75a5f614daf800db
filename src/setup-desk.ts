/** Does what the setup wizard asks for, on the database: tries what can be tried, and keeps what was learnt. */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import pino from "pino";
import { createConnections } from "./bitbucket/connections.ts";
import { createConfiguredAccess } from "./bitbucket-parts.ts";
import { checkGithub } from "./checks-github.ts";
import { type Config, parseConfig, startProblems } from "./config.ts";
import { settingSources, withStored } from "./config-stored.ts";
import { type Environment, VARIABLES, type VariableName } from "./config-table.ts";
import { isLoopback } from "./core/loopback.ts";
import { failed, type Outcome, ok } from "./core/model.ts";
import { registryExample } from "./core/registry-advice.ts";
import { DEFAULT_REGISTRY } from "./core/registry-settings.ts";
import type { Clock } from "./engine/ports.ts";
import { createRegistryDesk, type Trial } from "./engine/registry-desk.ts";
import type { SetupDesk, SetupProblem, SetupSetting, SetupState, SetupStep } from "./engine/setup-port.ts";
import { createGithubAccess } from "./github/access.ts";
import { examineApp } from "./github/examine.ts";
import { apiUrlOf, convertManifest, createManifest, MAX_APP_NAME, type MadeApp } from "./github/manifest.ts";
import { createConfiguredBuildah } from "./parts.ts";
import { TOKEN_BUNDLE_FILE } from "./registry/token-keys.ts";
import { createConfiguredRegistries, tokenServiceName } from "./registry-parts.ts";
import type { OpenedStore } from "./store/store.ts";
import { packageRoot } from "./version.ts";

export interface SetupDeskOptions {
  readonly env: Environment;
  readonly store: OpenedStore;
  readonly clock: Clock;
  /** Where this process listens; what people are told as long as nobody has said another address. */
  readonly ownUrl: () => string;
  /** What `/healthz` of this process says, and of no other. */
  readonly identity: string;
}

const BY = { kind: "operator" } as const;
/** GitHub's own. */
const ORDER_MS = 60 * 60 * 1_000;
const PROBE_MS = 10_000;
/** Bytes of an answer that is looked at. */
const PROBE_BYTES = 4_096;

export function createSetupDesk(options: SetupDeskOptions): SetupDesk {
  const { env, store, clock } = options;
  /** The registration under way; another one takes its place. */
  let ordered: {
    readonly state: string;
    readonly webUrl: string;
    readonly apiUrl: string;
    readonly until: number;
  } | null = null;

  async function merged(changes: Readonly<Record<string, string | null>> = {}): Promise<Environment> {
    const { values } = await store.storedSettings();
    const next = Object.entries({ ...values, ...changes }).filter(
      (entry): entry is [string, string] => entry[1] !== null,
    );
    return { PUBLIC_URL: options.ownUrl(), ...withStored(env, Object.fromEntries(next)) };
  }

  async function config(): Promise<Config> {
    const read = parseConfig(await merged());
    if (read.ok) return read.config;
    throw new Error(
      `What is set does not go together: ${read.problems.map((one) => `${one.variable} ${one.wrong}`).join(", ")}`,
    );
  }

  async function state(): Promise<SetupState> {
    const stored = await store.storedSettings();
    const together = await merged();
    const read = parseConfig(together);
    const sources = settingSources(env, stored.values).filter(
      ({ overruledBy, name }) => overruledBy === null || overruledBy === name,
    );
    const settings = Object.fromEntries(
      sources.map(({ name, from, value }): [string, SetupSetting] => [name, { from, value }]),
    );
    const publicUrl = read.ok ? read.config.publicUrl : options.ownUrl();
    const connections = read.ok ? await connectionsOf(read.config).list() : [];
    const github = settings["APP_ID"] !== undefined;
    const bitbucket = connections.length > 0 || settings["BITBUCKET_APP_KEY"] !== undefined;
    const done = new Set<SetupStep>();
    if (settings["PUBLIC_URL"] !== undefined) done.add("address");
    if (github) done.add("github");
    if (bitbucket) done.add("bitbucket");
    if (settings["REGISTRY_URL"] !== undefined) done.add("registry");
    if (settings["BUILDER"] !== undefined) done.add("builder");
    if (settings["ADMIN_TOKEN"] !== undefined) done.add("operator");
    const problems = [
      ...(github || bitbucket ? [] : [NO_HOST]),
      ...(done.has("registry") ? [] : [NO_REGISTRY]),
      ...(done.has("operator") ? [] : [NO_OPERATOR]),
      ...(read.ok ? overridesOf(together) : read.problems),
    ];
    return { publicUrl, local: isLoopback(publicUrl), settings, connections, done, problems };
  }

  async function tryBuilder(): Promise<readonly Trial[]> {
    const now = await config();
    if (now.builder === "webhook") return [];
    const builder = createConfiguredBuildah(now, { all: async () => [] }, pino({ level: "silent" }));
    return (await builder.check()).map((lacking) => ({
      what: "build with buildah",
      ok: false,
      detail: lacking,
      todo: "",
    }));
  }

  function connectionsOf({ bitbucket, publicUrl }: Pick<Config, "bitbucket" | "publicUrl">) {
    const access = createConfiguredAccess(bitbucket, { grants: store, clock });
    return createConnections({ access, grants: store, publicUrl, clock, by: BY });
  }

  async function save(changes: Readonly<Record<string, string | null>>): Promise<readonly SetupProblem[]> {
    const names = Object.keys(changes) as VariableName[];
    const fixed = names.filter((name) => (env[name] ?? "") !== "");
    if (fixed.length > 0) {
      return fixed.map((variable) => ({
        variable,
        wrong: "is set in the environment, which counts",
        todo: "change it there",
      }));
    }
    const wrong = names.flatMap((variable): SetupProblem[] => {
      const text = changes[variable];
      if (text === null || text === undefined) return [];
      const parsed = VARIABLES[variable].type.safeParse(text);
      if (parsed.success) return [];
      return [{ variable, wrong: parsed.error.issues[0]?.message ?? "is not valid", todo: VARIABLES[variable].todo }];
    });
    if (wrong.length > 0) return wrong;
    // What is kept goes together, so that all of it can be read whenever something is tried.
    const together = parseConfig(await merged(changes));
    if (!together.ok) return together.problems;
    if (await store.saveSettings(changes, { by: BY, setup: true })) return [];
    return [
      {
        variable: names[0] ?? "",
        wrong: "was not saved: the setup is over",
        todo: "change it with: wharfinger settings",
      },
    ];
  }

  async function keepApp(app: MadeApp, { webUrl, apiUrl }: { webUrl: string; apiUrl: string }) {
    const elsewhere = webUrl !== VARIABLES.GITHUB_URL.fallback || apiUrl !== VARIABLES.GITHUB_API_URL.fallback;
    return save({
      GITHUB_URL: elsewhere ? webUrl : null,
      GITHUB_API_URL: elsewhere ? apiUrl : null,
      APP_ID: String(app.id),
      PRIVATE_KEY: app.privateKey,
      WEBHOOK_SECRET: app.webhookSecret,
      GITHUB_CLIENT_ID: app.clientId,
      GITHUB_CLIENT_SECRET: app.clientSecret,
    });
  }

  return {
    state,
    save,

    async tryAddress() {
      return tried("open it from here", await reach((await config()).publicUrl, options.identity), ADDRESS_ADVICE);
    },

    async tryGithub() {
      const { ok, detail, todo } = await checkGithub(await config());
      return { what: "ask GitHub for the App", ok, detail, todo };
    },

    async tryRegistry() {
      const now = await config();
      if (now.registry === null) return [];
      const given = { ...now, registry: now.registry };
      const { registries, deskParts } = createConfiguredRegistries(given, { store, guests: null, clock });
      const desk = createRegistryDesk({ ...deskParts, store, registries, outsideBuilders: now.builder === "webhook" });
      const tested = await desk.test(DEFAULT_REGISTRY);
      return tested.ok ? tested.value : [tried("try it", failed(tested.message, { retryable: false }), "")];
    },

    tryBuilder,

    async orderApp({ apiUrl: given, webhookUrl, ...order }) {
      const problems: SetupProblem[] = [];
      const address = (variable: "GITHUB_URL" | "GITHUB_API_URL", text: string) => {
        const parsed = VARIABLES[variable].type.safeParse(text);
        if (parsed.success) return parsed.data;
        problems.push({
          variable,
          wrong: parsed.error.issues[0]?.message ?? "is not valid",
          todo: VARIABLES[variable].todo,
        });
        return "";
      };
      const webUrl = address("GITHUB_URL", order.webUrl);
      const apiUrl = address("GITHUB_API_URL", given ?? (webUrl === "" ? "" : apiUrlOf(webUrl)));
      if (order.name.trim() === "" || order.name.length > MAX_APP_NAME) {
        problems.push({
          variable: "name",
          wrong: `has not 1 to ${MAX_APP_NAME} characters`,
          todo: "give another name",
        });
      }
      if (order.organization !== null && !/^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/.test(order.organization)) {
        problems.push({
          variable: "organization",
          wrong: "is not the name of an organization",
          todo: "give it as in its address",
        });
      }
      if (webhookUrl !== null && !/^https?:$/.test(URL.canParse(webhookUrl) ? new URL(webhookUrl).protocol : "")) {
        problems.push({
          variable: "webhook",
          wrong: "is not an address",
          todo: "give the channel's address, or leave it out",
        });
      }
      if (problems.length > 0) return problems;
      const state = randomBytes(32).toString("base64url");
      ordered = { state, webUrl, apiUrl, until: clock.now() + ORDER_MS };
      const app = readFileSync(join(packageRoot, "app.yml"), "utf8");
      return createManifest(app, { ...order, webUrl, webhookUrl, publicUrl: (await config()).publicUrl, state });
    },

    async takeApp(code, state) {
      const order = ordered;
      if (order === null || order.until <= clock.now() || !same(state, order.state)) {
        return failed(
          "This is not the answer to the last question put to GitHub from here. Begin the registration again.",
          {
            retryable: false,
          },
        );
      }
      // Before the code is used: whoever comes with the same answer twice is refused.
      ordered = null;
      if (!/^[A-Za-z0-9_-]{1,200}$/.test(code))
        return failed("GitHub sent no code along. Begin again.", { retryable: false });
      const made = await convertManifest({ apiUrl: order.apiUrl, clock }, code);
      if (!made.ok) return made;
      const problems = await keepApp(made.value, order);
      if (problems.length === 0) return ok(made.value.name);
      const why = problems.map(({ variable, wrong }) => `${variable} ${wrong}`).join("; ");
      return failed(`GitHub has made ${made.value.name}, but it can not be used: ${why}. Delete it there.`, {
        retryable: false,
      });
    },

    async connect(target, token) {
      return connectionsOf(await config()).connect(target, token, () => undefined);
    },

    async trust() {
      const now = await config();
      if (now.registry === null || now.registry.credentials !== null) return null;
      // Makes the keys where there are none.
      createConfiguredRegistries({ ...now, registry: now.registry }, { store, guests: null, clock });
      const { url, tokens } = now.registry;
      const path = join(now.dataDir, TOKEN_BUNDLE_FILE);
      const service = tokenServiceName({ url, tokenService: tokens.service });
      return {
        path,
        certificates: readFileSync(path, "utf8"),
        config: registryExample({ realm: `${now.publicUrl}/registry/token`, service, issuer: tokens.issuer }),
      };
    },

    async finish() {
      const { problems } = await state();
      if (problems.length > 0) return problems;
      const lacking = await tryBuilder();
      if (lacking.length > 0) {
        return lacking.map(({ detail }) => ({
          variable: "BUILDER",
          wrong: `can not build here: ${detail}`,
          todo: "Put that right, or take builders elsewhere.",
          step: "builder" as const,
        }));
      }
      const { github, publicUrl } = await config();
      const app = github && (await examineApp(createGithubAccess({ ...github, clock })));
      await store.finishSetup(BY);
      return { installUrl: app?.ok === true ? `${app.value.page}/installations/new` : null, publicUrl };
    },
  };
}

const NO_HOST: SetupProblem = {
  variable: "GitHub or Bitbucket",
  wrong: "is not set up",
  todo: "One of the two is enough; both together work as well.",
  step: "github",
};
const NO_REGISTRY: SetupProblem = {
  variable: "Registry",
  wrong: "is not set up",
  todo: "Say where images are pushed to.",
  step: "registry",
};
const NO_OPERATOR: SetupProblem = {
  variable: "Operator",
  wrong: "has no token",
  todo: "Make one: without it the pages stay closed, and nobody can confirm a namespace.",
  step: "operator",
};

/** Variables `start` refuses whatever else is set. */
function overridesOf(env: Environment): readonly SetupProblem[] {
  return startProblems(env, { connected: true }).filter(({ variable }) => variable !== "REGISTRY_URL");
}

function tried(what: string, outcome: Outcome<string>, todo: string): Trial {
  return outcome.ok
    ? { what, ok: true, detail: outcome.value, todo: "" }
    : { what, ok: false, detail: outcome.message, todo };
}

const ADDRESS_ADVICE =
  "It may still be right: some networks do not let a machine reach itself by its public address. Open it in your browser, " +
  "from another network if you can. The proxy there has to hand every path on to this process.";

const ONLY_HERE = ", but only this machine reaches that address: GitHub and Bitbucket can not";

/** Sends no credential, and follows nobody. */
async function reach(publicUrl: string, identity: string): Promise<Outcome<string>> {
  const address = `${publicUrl}/healthz`;
  const wrong = (why: string) => failed(`GET ${address} ${why}.`, { retryable: true });
  try {
    const answer = await fetch(address, { redirect: "manual", signal: AbortSignal.timeout(PROBE_MS) });
    const text = await start(answer);
    if (text.includes(identity)) return ok(`this process answers there${isLoopback(publicUrl) ? ONLY_HERE : ""}`);
    return wrong(`answered ${answer.status}, and it was not this process that did`);
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return wrong(`got no answer (${cause instanceof Error ? cause.message : String(cause)})`);
  }
}

async function start({ body }: Response): Promise<string> {
  let text = "";
  if (body === null) return text;
  for await (const chunk of body) {
    text += Buffer.from(chunk).toString("latin1");
    if (text.length > PROBE_BYTES) break;
  }
  return text;
}

/** Takes the same time wherever they differ. */
function same(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}
