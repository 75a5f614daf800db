/** Remembers what can not change: files at a commit, and paths between two commits. Never who may do what. */
import type { HostId } from "../core/model.ts";
import { hostKey, type Outcome } from "../core/model.ts";
import type { Host } from "./ports.ts";

/** UTF-16 units of all that is remembered; a config file has at most 1 MiB. */
const DEFAULT_SIZE = 16 * 1024 * 1024;

/**
 * The same host, asked once for what it has answered before. A push of many refs is planned as a whole, and begins anew
 * when the host breaks off half-way: without a memory one with more questions than the host answers in an hour would
 * never be planned. Only good answers are kept; that a commit is not there may be true for a moment only.
 */
export function withMemory(host: Host, size = DEFAULT_SIZE): Host {
  const known = new Map<string, { readonly value: unknown; readonly size: number }>();
  let total = 0;

  async function remember<T>(key: string, ask: () => Promise<Outcome<T>>, sizeOf: (value: T) => number | null) {
    const found = known.get(key);
    if (found !== undefined) {
      known.delete(key);
      known.set(key, found);
      // Keys say which question it was the answer to.
      return { ok: true, value: found.value as T } as const;
    }
    const answer = await ask();
    const answerSize = answer.ok ? sizeOf(answer.value) : null;
    if (answer.ok && answerSize !== null) keep(key, answer.value, key.length + answerSize);
    return answer;
  }

  function keep(key: string, value: unknown, valueSize: number): void {
    total -= known.get(key)?.size ?? 0;
    known.delete(key);
    known.set(key, { value, size: valueSize });
    total += valueSize;
    for (const [oldest, { size: freed }] of known) {
      if (total <= size) break;
      known.delete(oldest);
      total -= freed;
    }
  }

  function keyOf(question: string, installation: HostId, repository: HostId, more: readonly string[]): string {
    return JSON.stringify([question, hostKey(installation), hostKey(repository), ...more]);
  }

  return {
    ...host,
    file(installation, repository, at, path) {
      const ask = () => host.file(installation, repository, at, path);
      if (typeof at !== "string") return ask();
      return remember(keyOf("file", installation, repository, [at, path]), ask, (file) =>
        file.kind === "file" ? file.text.length : null,
      );
    },
    changedPaths(installation, repository, change) {
      const ask = () => host.changedPaths(installation, repository, change);
      // Compared with nothing it is compared with whatever the default branch is at that moment, and a pull request with
      // where its target is by then.
      if (change.kind === "pull_request" || change.before === null || change.after === null) return ask();
      const hashes = [change.kind, change.before, change.after, change.commit ?? "", String(change.forced)];
      return remember(keyOf("paths", installation, repository, hashes), ask, (paths) =>
        paths === null ? null : paths.reduce((sum, path) => sum + path.length, 0),
      );
    },
  };
}
