/** What was found in a repository, as the push that nobody told of. */
import type { PushEvent } from "../core/events.ts";
import { parseFound } from "../core/found.ts";
import { type HostId, type Outcome, ok, type Repository } from "../core/model.ts";
import type { Installations } from "./installations.ts";
import type { Host } from "./ports.ts";
import type { Store } from "./store-port.ts";

export function foundEvent(body: Buffer, installation: HostId, repository: Repository): PushEvent | null {
  const found = parseFound(body.toString("utf8"));
  return found && { type: "push", repository, installation, actor: null, changes: found.changes };
}

const NOT_COVERED = "the installation does not cover its repository any more";
const UNREADABLE =
  "it was journalled in a way that this version can not read; what it found is built with its next push";

/** A text: why there is nothing to plan. A host that must not be called is not. */
export async function readFound(
  parts: { readonly store: Pick<Store, "repositoryOf">; readonly installations: Pick<Installations, "known"> },
  host: Host,
  installation: HostId,
  body: Buffer,
): Promise<Outcome<PushEvent | string>> {
  const id = parseFound(body.toString("utf8"))?.repository;
  if (id === undefined) return ok(UNREADABLE);
  const recorded = await parts.store.repositoryOf(id);
  if (recorded?.installation.id !== installation.id) return ok(NOT_COVERED);
  const known = await parts.installations.known(host, installation);
  if (!known.ok) return known;
  if (known.value?.state !== "active") {
    return ok(foundEvent(body, installation, recorded.repository) ?? UNREADABLE);
  }
  const now = await host.repository(installation, id);
  if (!now.ok) return now;
  return ok(now.value === null ? NOT_COVERED : (foundEvent(body, installation, now.value) ?? UNREADABLE));
}
