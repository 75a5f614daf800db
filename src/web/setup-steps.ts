/** What the form of each step of the setup does. */
import { randomBytes } from "node:crypto";
import type { Request } from "express";
import type { ConnectionChange, ConnectionTarget } from "../engine/connections-port.ts";
import type { Trial } from "../engine/registry-desk.ts";
import type { AppForm, SetupDesk, SetupEnd, SetupProblem, SetupState, SetupStep } from "../engine/setup-port.ts";
import { field } from "./forms.ts";

/** What came of it, as the step's page shows it. */
export interface Answer {
  /** 200 where left out. */
  readonly status?: number;
  /** Another template than the step's own. */
  readonly view?: string;
  readonly alert?: string;
  readonly notice?: string;
  readonly problems?: readonly SetupProblem[];
  readonly tried?: readonly Trial[];
  /** What was typed, to be put right; no secret is sent back. */
  readonly values?: Readonly<Record<string, string>>;
  /** A secret that was made, to be shown this one time. */
  readonly shown?: { readonly variable: string; readonly secret: string };
  readonly form?: AppForm;
  /** Where the page's form leads, if not to us. */
  readonly formTarget?: string;
  readonly change?: ConnectionChange;
  readonly end?: SetupEnd;
}

type Act = (req: Request, desk: SetupDesk) => Promise<Answer>;

export const ACTS: Readonly<Record<SetupStep, Act>> = {
  async address(req, desk) {
    if (field(req, "change") === "test") return { tried: [await desk.tryAddress()] };
    const values = typed(req, ["PUBLIC_URL"]);
    const problems = await desk.save(values.PUBLIC_URL === "" ? { PUBLIC_URL: null } : values);
    if (problems.length > 0) return refused(problems, values);
    return { notice: SAVED, tried: [await desk.tryAddress()] };
  },

  async github(req, desk) {
    const change = field(req, "change");
    if (change === "test") return { tried: [await desk.tryGithub()] };
    return change === "register" ? registerApp(req, desk) : enterApp(req, desk);
  },

  async bitbucket(req, desk) {
    const change = field(req, "change");
    if (change === "connection") return connect(req, desk);
    const [id, secret] = change === "people" ? OAUTH : ADDON;
    const values = typed(req, [id]);
    const saved = await saveTogether(desk, [id], { [id]: values[id] ?? "" }, { [secret]: field(req, secret) });
    return saved.length > 0 ? refused(saved, values) : { notice: SAVED };
  },

  async registry(req, desk) {
    if (field(req, "change") === "test") return { tried: await desk.tryRegistry() };
    const ours = field(req, "kind") === "token";
    const open = typed(req, [
      "REGISTRY_URL",
      "REGISTRY_USERNAME",
      "REGISTRY_STAGING",
      "REGISTRY_TOKEN_SERVICE",
      "REGISTRY_TOKEN_KID",
    ]);
    const kind = ours ? { REGISTRY_USERNAME: "" } : { REGISTRY_TOKEN_SERVICE: "", REGISTRY_TOKEN_KID: "" };
    const secrets = { REGISTRY_PASSWORD: ours ? "" : field(req, "REGISTRY_PASSWORD") };
    const values = { ...open, kind: ours ? "token" : "basic" };
    if (!ours && open.REGISTRY_USERNAME === "") {
      return refused(
        [{ variable: "REGISTRY_USERNAME", wrong: "is not set", todo: "give who pushes and publishes there" }],
        values,
      );
    }
    const problems = await saveTogether(desk, ["REGISTRY_URL", "REGISTRY_USERNAME"], { ...open, ...kind }, secrets);
    if (problems.length > 0) return refused(problems, values);
    return { notice: SAVED, tried: await desk.tryRegistry() };
  },

  async builder(req, desk) {
    const chosen = field(req, "BUILDER");
    if (chosen !== "webhook") {
      const problems = await desk.save({ BUILDER: chosen, BUILDER_TOKEN: null });
      if (problems.length > 0) return refused(problems, { BUILDER: chosen });
      const lacking = await desk.tryBuilder();
      const good: Trial = { what: "build with buildah", ok: true, detail: "this machine has what it needs", todo: "" };
      return { notice: SAVED, tried: lacking.length > 0 ? lacking : [good] };
    }
    const secret = newToken();
    const problems = await desk.save({ BUILDER: "webhook", BUILDER_TOKEN: secret });
    if (problems.length > 0) return refused(problems, { BUILDER: chosen });
    return { notice: SAVED, shown: { variable: "BUILDER_TOKEN", secret } };
  },

  async operator(req, desk) {
    const own = field(req, "change") === "own";
    const secret = own ? field(req, "ADMIN_TOKEN") : newToken();
    const problems = await desk.save({ ADMIN_TOKEN: secret });
    if (problems.length > 0) return refused(problems, {});
    return { notice: SAVED, ...(own ? {} : { shown: { variable: "ADMIN_TOKEN", secret } }) };
  },
};

const SAVED = "Saved. Everything here can still be changed until the setup is finished.";
const ADDON = ["BITBUCKET_APP_KEY", "BITBUCKET_APP_SECRET"] as const;
const OAUTH = ["BITBUCKET_CLIENT_ID", "BITBUCKET_CLIENT_SECRET"] as const;

function newToken(): string {
  return randomBytes(32).toString("hex");
}

function typed<const N extends string>(req: Request, names: readonly N[]): Record<N, string> {
  return Object.fromEntries(names.map((name) => [name, field(req, name).trim()])) as Record<N, string>;
}

function refused(problems: readonly SetupProblem[], values: Readonly<Record<string, string>>): Answer {
  return { status: 422, problems, values };
}

/**
 * Secrets that are left empty stay what they are as long as those of `whose` do: a password typed for one registry must
 * never be sent to another.
 */
async function saveTogether(
  desk: SetupDesk,
  whose: readonly string[],
  open: Readonly<Record<string, string>>,
  secrets: Readonly<Record<string, string>>,
): Promise<readonly SetupProblem[]> {
  const { settings }: SetupState = await desk.state();
  const same = whose.every((name) => (settings[name]?.value ?? "") === open[name]);
  const changes = Object.entries(secrets).filter(([, secret]) => secret !== "" || !same);
  const all = [...Object.entries(open), ...changes].map(([name, text]) => [name, text === "" ? null : text]);
  return desk.save(Object.fromEntries(all));
}

const TICKED = ["open", "members", "merge_queues"] as const;

async function registerApp(req: Request, desk: SetupDesk): Promise<Answer> {
  const values = typed(req, ["name", "organization", "GITHUB_URL", "GITHUB_API_URL", "webhook", ...TICKED]);
  const chosen = (name: (typeof TICKED)[number]) => values[name] === "yes";
  const order = await desk.orderApp({
    name: values.name,
    organization: values.organization || null,
    webUrl: values.GITHUB_URL || "https://github.com",
    apiUrl: values.GITHUB_API_URL || null,
    open: chosen("open"),
    webhookUrl: values.webhook || null,
    without: (["members", "merge_queues"] as const).filter((permission) => !chosen(permission)),
  });
  if (!("action" in order)) return refused(order, values);
  return { view: "setup-github-send", form: order, formTarget: order.action };
}

async function enterApp(req: Request, desk: SetupDesk): Promise<Answer> {
  const values = typed(req, ["GITHUB_URL", "GITHUB_API_URL", "APP_ID", "GITHUB_CLIENT_ID"]);
  const secrets = {
    PRIVATE_KEY: field(req, "PRIVATE_KEY").trim(),
    WEBHOOK_SECRET: field(req, "WEBHOOK_SECRET"),
    GITHUB_CLIENT_SECRET: field(req, "GITHUB_CLIENT_SECRET"),
  };
  const problems = await saveTogether(desk, ["APP_ID", "GITHUB_URL", "GITHUB_API_URL"], values, secrets);
  if (problems.length > 0) return refused(problems, values);
  return { notice: SAVED, tried: values.APP_ID === "" ? [] : [await desk.tryGithub()] };
}

const SLUG = /^[A-Za-z0-9._-]{1,100}$/;

async function connect(req: Request, desk: SetupDesk): Promise<Answer> {
  const values = typed(req, ["target"]);
  const [workspace = "", repository = null, ...more] = values.target.split("/");
  const target: ConnectionTarget = { workspace, repository };
  if (
    more.length > 0 ||
    ![workspace, repository ?? workspace].every((one) => SLUG.test(one) && !/^\.{1,2}$/.test(one))
  ) {
    const todo = "give WORKSPACE or WORKSPACE/REPOSITORY, as in bitbucket.org/WORKSPACE/REPOSITORY";
    return refused([{ variable: "target", wrong: "is not the name of a workspace or repository", todo }], values);
  }
  const token = field(req, "token").trim();
  if (!/^[\x21-\x7e]{1,4000}$/.test(token)) {
    return refused(
      [{ variable: "token", wrong: "is not one access token", todo: "copy it whole from Bitbucket" }],
      values,
    );
  }
  const connected = await desk.connect(target, token);
  if (!connected.ok) return { status: 422, alert: connected.message, values };
  return { notice: `${connected.value.connection.login} is connected.`, change: connected.value };
}
