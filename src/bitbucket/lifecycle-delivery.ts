import type { Account } from "../core/model.ts";
import type { IncomingDelivery } from "../engine/ports.ts";

/** What happened to a grant: `connect` is the Connect app, `webhook` a connection. */
export type LifecycleEvent = "installed" | "uninstalled" | "connected" | "disconnected";

export interface LifecycleNews {
  readonly event: LifecycleEvent;
  readonly host: string;
  readonly workspace: {
    /** In braces, lower case. */
    readonly uuid: string;
    readonly slug: string;
    readonly kind: Account["kind"];
  };
  readonly door: "connect" | "webhook";
  /** Makes the delivery's id; a new one for everything that happens. */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

/**
 * The delivery by which the engine hears of a grant, made by us and journalled with the change itself: Bitbucket's own
 * callbacks carry secrets, and connections have no callback.
 */
export function lifecycleDelivery(news: LifecycleNews): IncomingDelivery {
  const { uuid, slug, kind } = news.workspace;
  return {
    provider: "bitbucket",
    host: news.host,
    deliveryId: `${news.event}-${news.id}`,
    event: news.event,
    action: null,
    stream: `installation:${uuid}`,
    repositoryId: null,
    repositoryName: null,
    installationId: uuid,
    receivedAt: news.nowMs,
    body: Buffer.from(
      JSON.stringify({ event: news.event, data: { workspace: { uuid, slug, kind }, door: news.door } }),
      "utf8",
    ),
  };
}
