import { z } from "zod";
import type { Done, Refused, RegistryDesk } from "../engine/registry-desk.ts";
import { registryJson } from "../engine/shapes.ts";
import type { ApiKit, RouteSpec } from "./api-kit.ts";
import { listOf } from "./api-shapes.ts";
import { WebError } from "./errors.ts";
import { type BodySpec, NO_BODY, NO_QUERY } from "./requests.ts";

const CREDENTIAL = z
  .strictObject({
    username: z.string().min(1).max(1_024),
    // No header or file can hold control characters as they are.
    password: z
      .string()
      .min(1)
      .max(8_192)
      .regex(/^[^\p{Cc}]*$/u),
  })
  .meta({ id: "RegistryCredential" });

type Credential = z.infer<typeof CREDENTIAL>;

/** A bundle of certificates is some hundred kilobytes. */
const LIMIT = "400kb";

const OPENS: BodySpec<Credential> = { schema: CREDENTIAL, limit: LIMIT, refuse: badCredential };

/** What settings may be is the desk's to judge, which tells of all that is wrong at once; here stands what they are. */
function setting(type: "string" | "boolean" | "array", description: string): z.ZodType {
  return z
    .unknown()
    .optional()
    .meta({ description, override: { type: [type, "null"] } });
}

const SETTINGS: BodySpec<{ credential?: Credential | undefined } & Readonly<Record<string, unknown>>> = {
  schema: z.looseObject({
    url: setting("string", "Scheme, host and port. Needed when it is added."),
    kind: setting(
      "string",
      "`token`: it trusts this service's tokens; `basic`: it has accounts. Needed when it is added.",
    ),
    ca: setting("string", "PEM of certificates trusted there besides the machine's own; null: none."),
    insecure: setting("boolean", "Plain http, or https with whatever certificate."),
    namespaces: setting("string", "Name of a new account's namespace: `{account}`, `{host}`."),
    staging: setting("string", "Repository builds push to: `{build}`, `{namespace}`."),
    accounts: setting("array", "Hosts whose new accounts get their namespaces here: `github:default`."),
    tokenService: setting("string", "Service named in tokens; null: the registry's host."),
    tokenKid: setting("string", "How tokens name their key: `libtrust`, `rfc7638`, `x5c`."),
    credential: CREDENTIAL.optional(),
  }),
  limit: LIMIT,
  refuse: (given) =>
    typeof given === "object" && given !== null && !Array.isArray(given)
      ? badCredential()
      : new WebError(400, "bad-request", "Send a JSON object."),
};

const REGISTRY = z
  .object({
    name: z.string(),
    host: z.string().meta({ description: "Host and port, as image names carry it." }),
    url: z.string(),
    kind: z.enum(["token", "basic"]),
    insecure: z.boolean(),
    namespaces: z.string(),
    staging: z.string(),
    accounts: z.array(z.string()),
    tokenService: z.string().nullable(),
    tokenKid: z.string(),
    ca: z.boolean().meta({ description: "Whether certificates are kept for it." }),
    username: z.string().nullable(),
    credentials: z.array(z.object({ namespace: z.string(), username: z.string() })),
    holds: z.array(z.string()).meta({ description: "Namespaces whose images go there; at most 100." }),
  })
  .meta({ id: "Registry", description: "No password is ever answered." });

const TESTED = z
  .object({
    ok: z.boolean(),
    trials: z.array(z.object({ what: z.string(), ok: z.boolean(), detail: z.string(), todo: z.string() })),
  })
  .meta({ id: "RegistryTest" });

const COMMON = { tag: "registries", access: { action: "registry.change", at: "instance" }, query: NO_QUERY } as const;
const REFUSALS = {
  400: "What is asked for is wrong by itself.",
  404: "There is no such registry, namespace or credential.",
  409: "It does not go together with what there is.",
  422: "The registry itself says no, in its own words, or is away.",
} as const;

const LIST = {
  ...COMMON,
  id: "listRegistries",
  method: "get",
  path: "/registries",
  summary: "All registries images are published to.",
  body: NO_BODY,
  answer: { status: 200, schema: listOf(REGISTRY) },
  errors: {},
} as const satisfies RouteSpec;

const SAVE = {
  ...COMMON,
  id: "saveRegistry",
  method: "put",
  path: "/registries/{name}",
  summary: "Adds a registry, or changes what is given of one. What is new is tried out first.",
  body: SETTINGS,
  answer: { status: 200, schema: REGISTRY },
  errors: REFUSALS,
} as const satisfies RouteSpec;

const REMOVE = {
  ...COMMON,
  id: "removeRegistry",
  method: "delete",
  path: "/registries/{name}",
  summary: "Forgets a registry and what opens it.",
  body: NO_BODY,
  answer: { status: 204 },
  errors: REFUSALS,
} as const satisfies RouteSpec;

const TEST = {
  ...COMMON,
  id: "testRegistry",
  method: "post",
  path: "/registries/{name}/test",
  summary: "Signs in to a registry and tries to push.",
  body: NO_BODY,
  answer: { status: 200, schema: TESTED },
  errors: REFUSALS,
} as const satisfies RouteSpec;

const USE = {
  ...COMMON,
  id: "useRegistry",
  method: "put",
  path: "/registries/{name}/namespaces/{namespace}",
  summary: "Has images of a namespace go there from now on.",
  body: NO_BODY,
  answer: { status: 204 },
  errors: REFUSALS,
} as const satisfies RouteSpec;

const PLACES = [
  { path: "/registries/{name}/credential", id: "Registry", of: "a registry" },
  {
    path: "/registries/{name}/namespaces/{namespace}/credential",
    id: "Namespace",
    of: "one namespace of a registry",
  },
] as const;

const CREDENTIALS = PLACES.map(({ path, id, of }) => ({
  set: {
    ...COMMON,
    id: `set${id}Credential`,
    method: "put",
    path,
    summary: `Keeps what opens ${of}, once it was tried out.`,
    body: OPENS,
    answer: { status: 204 },
    errors: REFUSALS,
  } as const satisfies RouteSpec,
  remove: {
    ...COMMON,
    id: `remove${id}Credential`,
    method: "delete",
    path,
    summary: `Erases what opens ${of}.`,
    body: NO_BODY,
    answer: { status: 204 },
    errors: REFUSALS,
  } as const satisfies RouteSpec,
}));

export const REGISTRY_ROUTES: readonly RouteSpec[] = [
  LIST,
  SAVE,
  REMOVE,
  TEST,
  USE,
  ...CREDENTIALS.flatMap(({ set, remove }) => [set, remove]),
];

/** Registries and what opens them. No password is ever answered. */
export function addRegistries(api: ApiKit, desk: RegistryDesk): void {
  api.serve(LIST, async () => ({ items: (await desk.list()).map(registryJson), next: null }));
  api.serve(SAVE, async ({ param, body, by }) => {
    const { credential, ...given } = body;
    return registryJson(demand(await desk.save(param("name"), given, credential ?? null, by)));
  });
  api.serve(REMOVE, async ({ param, by }) => {
    demand(await desk.remove(param("name"), by));
    return null;
  });
  api.serve(TEST, async ({ param }) => {
    const trials = demand(await desk.test(param("name")));
    return { ok: trials.every((one) => one.ok), trials };
  });
  for (const { set, remove } of CREDENTIALS) {
    api.serve(set, async ({ param, body, by }) => {
      demand(await desk.setCredential(param("name"), param("namespace") || null, body, by));
      return null;
    });
    api.serve(remove, async ({ param, by }) => {
      demand(await desk.removeCredential(param("name"), param("namespace") || null, by));
      return null;
    });
  }
  api.serve(USE, async ({ param, by }) => {
    demand(await desk.use(param("name"), param("namespace"), by));
    return null;
  });
}

/** Not the schema's own words: they may hold what was sent. */
function badCredential(): WebError {
  return new WebError(400, "bad-credential", 'Send {"username":"…","password":"…"}, each one line of text.');
}

const STATUS: Readonly<Record<Refused["kind"], readonly [number, string]>> = {
  bad: [400, "bad-registry"],
  unknown: [404, "not-found"],
  conflict: [409, "conflict"],
  refused: [422, "registry-refused"],
};

function demand<T>(done: Done<T>): T {
  if (done.ok) return done.value;
  const [status, code] = STATUS[done.kind];
  throw new WebError(status, code, `${done.message.slice(0, 1).toUpperCase()}${done.message.slice(1)}`);
}
