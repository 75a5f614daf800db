/** One more push, of something that takes its time: a build to be watched in the browser while it runs. */
import type { Api, ApiBuild, ApiDelivery } from "./api.ts";
import type { Place } from "./places.ts";
import { slowPush } from "./repository.ts";
import type { Screen } from "./screen.ts";

export interface Watching {
  readonly screen: Screen;
  readonly api: Api;
  /** Of the program's pages. */
  readonly url: string;
  readonly place: Place;
  /** An image with a shell, which the place's builds may pull. */
  readonly base: string;
  until<T>(what: string, ask: () => Promise<T | null>): Promise<T>;
}

const OPEN: readonly string[] = ["queued", "running"];

/** Pushes, says where to look, and resolves when the build has ended. `turn` makes each push another one. */
export async function pushToWatch({ screen, api, url, place, base, until }: Watching, turn: number): Promise<void> {
  const pushed = await place.push(`Greet at length (${turn})`, slowPush(base, turn));
  const planned = await until("the delivery to be planned", async (): Promise<ApiDelivery | null> => {
    const found = await api.delivery(pushed.delivery.id);
    return found === null || found.outcome === "pending" ? null : found;
  });
  const [id] = planned.builds;
  if (id === undefined) throw new Error(`the push did not lead to a build: ${planned.note ?? planned.outcome}`);
  screen.note(`  watch it     ${url}/builds/${id}`);
  const ended = await until("the build to end", async (): Promise<ApiBuild | null> => {
    const build = await api.build(id);
    return OPEN.includes(build.state) ? null : build;
  });
  screen.line(`it has ${ended.state}: ${ended.image} as ${ended.tags.join(", ")}`);
}
