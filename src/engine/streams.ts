/** The order in which deliveries are processed (`stream` of what is journalled), as far as we journal some ourselves. */
import type { HostId } from "../core/model.ts";

/** What a repository's pushes come in: what was pushed before is planned before. Entrances say the same of what they take. */
export function streamOf(installation: Pick<HostId, "id">, { provider, id }: Pick<HostId, "provider" | "id">): string {
  return provider === "bitbucket" ? `repo:${installation.id}/${id}` : `repo:${id}`;
}
