/** Pauses and resumes over the API of a {@link World}, as the operator. */
import { ADMIN_TOKEN, type World } from "./world.ts";

export interface Resumed {
  readonly ended: { readonly kind: string } | null;
  readonly remaining: readonly { readonly kind: string }[];
  readonly deliveries: readonly string[];
  readonly lanes: readonly { readonly lane: string; readonly sha: string | null }[];
  readonly lost: readonly { readonly lane: string; readonly why: string }[];
}

export interface Previewed {
  readonly lanes: readonly {
    readonly lane: string;
    readonly sha: string;
    readonly builds: readonly { readonly image: string; readonly tags: readonly string[]; readonly sha: string }[];
    readonly held: readonly { readonly image: string }[];
    readonly skips: readonly { readonly reason: string }[];
    readonly unknown: string | null;
  }[];
}

/** `what`: `instance`, or `installations/github/default/7`. Fails unless the answer is 200. */
export async function post<T>(world: World, what: string, body: object = {}): Promise<T> {
  const response = await fetch(`${world.url}/api/v1/${what}`, {
    method: "POST",
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${what}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

/** Address of the only installation. */
export async function onlyInstallation(world: World): Promise<string> {
  const { items } = await world.api<{ items: { provider: string; host: string; id: string }[] }>("/installations");
  const [one, ...others] = items;
  if (one === undefined || others.length > 0) throw new Error(`${items.length} installations instead of one`);
  return `installations/${[one.provider, one.host, one.id].map(encodeURIComponent).join("/")}`;
}
