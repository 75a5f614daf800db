/** A click on *Retry*, as tests need it. */
import type { Build } from "../../src/core/model.ts";
import type { Store } from "../../src/engine/store-port.ts";
import { OPERATOR } from "./store.by.ts";
import { writeRequest } from "./store.samples.ts";

/** The build that is on its way now; null: there is none, and the store has said why not. */
export async function retry(store: Pick<Store, "retryBuild">, id: string, write = writeRequest): Promise<Build | null> {
  const retried = await store.retryBuild(id, write, OPERATOR);
  return retried.kind === "retried" ? retried.build : null;
}
