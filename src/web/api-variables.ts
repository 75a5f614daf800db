import { z } from "zod";
import type { VariableKind } from "../core/variables.ts";
import type { Store } from "../engine/store-port.ts";
import { type RefusedVariable, setVariable, variableJson } from "../engine/variables.ts";
import type { VariablePlace, VariableStore } from "../engine/variables-port.ts";
import type { ApiKit, Call, RouteSpec } from "./api-kit.ts";
import { listOf, TIME } from "./api-shapes.ts";
import { WebError } from "./errors.ts";
import { type BodySpec, installationIn, NO_BODY, NO_QUERY, noInstallation } from "./requests.ts";

export type VariablesApiStore = Pick<VariableStore, "listVariables" | "saveVariable" | "removeVariable"> &
  Pick<Store, "getInstallation">;

/** JSON may take six bytes for one of the value. No problem quotes the body: it is a secret, perhaps at the wrong place. */
const VALUE: BodySpec<{ value: string }> = {
  schema: z.strictObject({ value: z.string() }),
  limit: "256kb",
  refuse: () => new WebError(400, "bad-request", 'Send {"value": "…"}, a string, and nothing else.'),
};

const STATUS: Readonly<Record<RefusedVariable, number>> = {
  "bad-variable": 400,
  "not-covered": 404,
  "other-kind": 409,
  full: 409,
};

const NAMED = { name: z.string(), fingerprint: z.string(), savedAt: TIME };
const SHOWN = {
  variable: z.object({ ...NAMED, value: z.string() }).meta({ id: "Variable" }),
  secret: z.object(NAMED).meta({ id: "Secret", description: "What it holds is never answered." }),
};

/** Repositories are of the installation's own host. */
const PLACES = [
  { path: "/installations/{provider}/{host}/{id}", id: "Installation", of: "an installation" },
  {
    path: "/installations/{provider}/{host}/{id}/repositories/{repository}",
    id: "Repository",
    of: "a repository, which count more than its installation's",
  },
] as const;

const KINDS = [
  { kind: "variable", path: "variables", id: "Variable" },
  { kind: "secret", path: "secrets", id: "Secret" },
] as const;

function routesOf(place: (typeof PLACES)[number], { kind, path: plural, id }: (typeof KINDS)[number]) {
  const path = `${place.path}/${plural}`;
  const one = {
    path: `${path}/{name}`,
    tag: "settings",
    access: { action: "variable.change", at: "installation" },
    query: NO_QUERY,
  } as const;
  return {
    list: {
      id: `list${place.id}${id}s`,
      method: "get",
      path,
      tag: "settings",
      summary: `The ${plural} of ${place.of}.`,
      access: { action: "account.see", at: "installation" },
      query: NO_QUERY,
      body: NO_BODY,
      answer: { status: 200, schema: listOf(SHOWN[kind]) },
      errors: { 404: "There is no such installation." },
    },
    set: {
      ...one,
      id: `set${place.id}${id}`,
      method: "put",
      summary: `Sets a ${kind} of ${place.of}.`,
      body: VALUE,
      answer: { status: 200, schema: SHOWN[kind] },
      errors: {
        404: "There is no such installation, or it does not cover this repository.",
        409: "It is of the other kind, or there is no room.",
      },
    },
    remove: {
      ...one,
      id: `remove${place.id}${id}`,
      method: "delete",
      summary: `Removes a ${kind} of ${place.of}.`,
      body: NO_BODY,
      answer: { status: 204 },
      errors: { 404: `There is no ${kind} of this name.` },
    },
  } as const satisfies Readonly<Record<string, RouteSpec>>;
}

const ROUTES = PLACES.flatMap((place) => KINDS.map((kind) => ({ kind: kind.kind, ...routesOf(place, kind) })));

export const VARIABLE_ROUTES: readonly RouteSpec[] = ROUTES.flatMap(({ list, set, remove }) => [list, set, remove]);

/** Variables and secrets. Nothing here shows a secret. */
export function addVariables(api: ApiKit, store: VariablesApiStore): void {
  for (const { kind, list, set, remove } of ROUTES) {
    api.serve(list, async (call) => {
      const place = placeIn(call);
      if ((await store.getInstallation(place.installation)) === null) throw noInstallation();
      const all = await store.listVariables(place);
      return { items: all.filter((one) => one.kind === kind).map(variableJson), next: null };
    });
    api.serve(set, async (call) => {
      const variable = { kind, name: call.param("name"), value: call.body.value };
      const saved = await setVariable(store, placeIn(call), variable, call.by);
      if (saved.kind === "refused") throw new WebError(STATUS[saved.code], saved.code, saved.why);
      return variableJson(saved.variable);
    });
    api.serve(remove, async (call) => {
      if (await store.removeVariable(placeIn(call), { kind, name: call.param("name") }, call.by)) return null;
      throw new WebError(404, "not-found", `There is no ${kind satisfies VariableKind} of this name here.`);
    });
  }
}

function placeIn({ req, param }: Pick<Call<unknown, unknown>, "req" | "param">): VariablePlace {
  const installation = installationIn(req);
  const repository = param("repository");
  return { installation, repository: repository === "" ? null : { ...installation, id: repository } };
}
