/** Asks the program for builds as scripts do, and tells what came of it. */
import { ADMIN_TOKEN, eventually, type World } from "./world.ts";

export interface ApiBuild {
  readonly id: string;
  readonly state: string;
  readonly trigger: string;
  readonly ref: string;
  readonly sha: string;
  readonly image: string;
  readonly tags: readonly string[];
  readonly delivery: string;
}

export interface Decided {
  readonly reason: string | null;
  readonly detail: string;
  readonly build: string | null;
  readonly image: string | null;
}

export interface Started {
  readonly delivery: string;
  readonly outcome: string;
  readonly note: string | null;
  readonly builds: readonly string[];
  readonly decisions: readonly Decided[];
}

export interface Answer<T> {
  readonly status: number;
  readonly body: T & { readonly error?: { readonly code: string; readonly message: string } };
}

export async function post<T>(world: World, path: string, body?: object): Promise<Answer<T>> {
  const answer = await fetch(`${world.url}/api/v1${path}`, {
    method: "POST",
    headers: {
      Authorization: `Bearer ${ADMIN_TOKEN}`,
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Answer<T>["body"] };
}

export function startBuild(world: World, wanted: object): Promise<Answer<Started>> {
  return post<Started>(world, "/builds", wanted);
}

export async function builds(world: World): Promise<readonly ApiBuild[]> {
  return (await world.api<{ items: readonly ApiBuild[] }>("/builds")).items;
}

export function untilBuild(world: World, id: string, state: string): Promise<ApiBuild> {
  return eventually(`build ${id} is ${state}`, async () => {
    const build = await world.api<ApiBuild>(`/builds/${id}`);
    return build.state === state ? build : null;
  });
}
