/** Deliveries that we journal ourselves, and the order in which they are processed. */
import type { HostId, Repository } from "../core/model.ts";
import type { IncomingDelivery } from "./ports.ts";

/** What a repository's pushes come in: what was pushed before is planned before. Entrances say the same of what they take. */
export function streamOf(installation: Pick<HostId, "id">, { provider, id }: Pick<HostId, "provider" | "id">): string {
  return provider === "bitbucket" ? `repo:${installation.id}/${id}` : `repo:${id}`;
}

/** One about a repository, in the stream that its pushes come in. `now`: milliseconds since 1970. */
export function ownDelivery(
  {
    installation,
    repository,
  }: { readonly installation: HostId; readonly repository: Pick<Repository, keyof HostId | "fullName"> },
  { deliveryId, event, body }: { readonly deliveryId: string; readonly event: string; readonly body: string },
  now: number,
): IncomingDelivery {
  const { provider, host, id, fullName } = repository;
  return {
    provider,
    host,
    deliveryId,
    event,
    action: null,
    stream: streamOf(installation, repository),
    repositoryId: id,
    repositoryName: fullName,
    installationId: installation.id,
    receivedAt: now,
    body: Buffer.from(body, "utf8"),
  };
}
