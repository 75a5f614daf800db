import type { RequestOrigin } from "../core/build-request.ts";
import {
  type Approval,
  type Build,
  type BuildState,
  type Hold,
  hostKey,
  laneOfBuild,
  type PlannedBuild,
  type Repository,
  type Sha,
} from "../core/model.ts";
import { DEFAULT_REGISTRY, namespaceOf } from "../core/registry-settings.ts";
import type { RequestWriter } from "../engine/store-port.ts";
import type { Sql } from "./database.ts";
import {
  flag,
  integer,
  json,
  jsonOrNull,
  key,
  type Row,
  text,
  textOrNull,
  time,
  timeOrNull,
  type Value,
} from "./rows.ts";

/** A commit whose checks may have changed. */
export interface Commit {
  readonly repository: string;
  readonly installationId: string;
  readonly sha: Sha;
}

export const REPOSITORY_COLUMNS = `r.provider, r.host, r.id AS repository_id, r.full_name, r.private, r.default_branch,
  r.clone_url, r.web_url`;

/** What {@link toBuild} reads of `builds b JOIN repositories r`. */
export const BUILD_COLUMNS = `b.seq, b.id, b.state, b.repository, b.installation_id, b.delivery, b.full_image, b.registry, b.planned,
  b.cause,
  b.attempt, b.promotions, b.digest, b.tags, b.request_digest, b.hold_reason, b.hold_detail, b.approval, b.steps, b.failure,
  b.created_at, b.started_at, b.finished_at, ${REPOSITORY_COLUMNS}`;

export const SELECT_BUILDS = `SELECT ${BUILD_COLUMNS} FROM builds b JOIN repositories r ON r.key = b.repository`;

export function toRepository(row: Row): Repository {
  return {
    provider: text(row, "provider") as Repository["provider"],
    host: text(row, "host"),
    id: text(row, "repository_id"),
    fullName: text(row, "full_name"),
    private: flag(row, "private"),
    defaultBranch: textOrNull(row, "default_branch"),
    cloneUrl: text(row, "clone_url"),
    webUrl: text(row, "web_url"),
  };
}

export function toBuild(row: Row): Build {
  const repository = toRepository(row);
  return {
    id: text(row, "id"),
    registry: text(row, "registry"),
    state: text(row, "state") as BuildState,
    repository,
    // An installation covers repositories of its own host only.
    installation: { provider: repository.provider, host: repository.host, id: text(row, "installation_id") },
    deliveryId: key(row, "delivery"),
    planned: json<PlannedBuild>(row, "planned"),
    image: text(row, "full_image"),
    digest: textOrNull(row, "digest"),
    tags: jsonOrNull(row, "tags"),
    requestDigest: textOrNull(row, "request_digest"),
    hold: holdOf(row),
    approval: approvalOf(row),
    trigger: text(row, "cause") as Build["trigger"],
    // Leases are counted together; people are told how often it was built.
    attempt: integer(row, "attempt") - integer(row, "promotions"),
    steps: json(row, "steps"),
    failure: jsonOrNull(row, "failure"),
    createdAt: time(row, "created_at"),
    startedAt: timeOrNull(row, "started_at"),
    finishedAt: timeOrNull(row, "finished_at"),
  };
}

export function holdOf(row: Row): Hold | null {
  if (row["hold_reason"] === null) return null;
  // Written by insertBuild only.
  return { reason: text(row, "hold_reason") as Hold["reason"], detail: text(row, "hold_detail") };
}

export function approvalOf(row: Row): Approval | null {
  return jsonOrNull(row, "approval");
}

/** Of the builds a statement changed: {@link RETURNING_COMMIT}. Those somebody started have no part in any check. */
export function toCommits(rows: readonly Row[]): readonly Commit[] {
  return rows.flatMap((row) =>
    text(row, "cause") === "manual"
      ? []
      : [
          {
            repository: text(row, "repository"),
            installationId: text(row, "installation_id"),
            sha: text(row, "sha") as Sha,
          },
        ],
  );
}

export const RETURNING_COMMIT = "RETURNING repository, installation_id, sha, cause";

export async function findBuild(sql: Sql, id: string): Promise<Build | null> {
  const rows = await sql.query(`${SELECT_BUILDS} WHERE b.id = $1`, [id]);
  return rows[0] === undefined ? null : toBuild(rows[0]);
}

/**
 * What a commit's checks are made of: of each (lane, image) the builds of its newest generation, each piece of work
 * (equal keys) once, by its newest build. One generation has several pieces of work when rules of one image differ in
 * their inputs. What somebody started leaves no mark on the commit.
 */
export async function newestBuilds(sql: Sql, repository: string, sha: Sha): Promise<readonly Build[]> {
  const rows = await sql.query(
    `SELECT ${BUILD_COLUMNS} FROM (
       SELECT c.*,
         MAX(c.generation) OVER (PARTITION BY c.lane, c.image) AS newest,
         ROW_NUMBER() OVER (PARTITION BY c.lane, c.image, c.generation, c.key ORDER BY c.seq DESC) AS place
       FROM builds c WHERE c.repository = $1 AND c.sha = $2 AND c.cause <> 'manual'
     ) b JOIN repositories r ON r.key = b.repository
     WHERE b.generation = b.newest AND b.place = 1 ORDER BY b.seq`,
    [repository, sha],
  );
  return rows.map(toBuild);
}

/** A build as it is recorded: it waits for its turn, or for somebody to approve it. */
export interface RecordedBuild {
  readonly id: string;
  readonly repository: Repository;
  readonly installation: Build["installation"];
  readonly delivery: number;
  readonly fullImage: string;
  readonly generation: number;
  /** The delivery its work came with first. */
  readonly order: number;
  /** Those of the build it repeats; null: as they are now. */
  readonly tagLines: string | null;
  readonly planned: PlannedBuild;
  /** Null: nobody has to approve it. */
  readonly hold: Hold | null;
  /** Null: nobody did. */
  readonly approval: Approval | null;
  /** The build whose image it waits for; null: it is built itself. */
  readonly twin: string | null;
  readonly trigger: Build["trigger"];
  readonly origin: RequestOrigin;
  readonly write: RequestWriter;
  readonly now: number;
}

export async function insertBuild(sql: Sql, build: RecordedBuild): Promise<void> {
  const { planned, origin } = build;
  const registry = await registryOf(sql, namespaceOf(build.fullImage));
  const recorded = asRecorded(build, registry);
  const request = build.write(recorded, origin);
  const tagLines = build.tagLines ?? JSON.stringify(await linesOf(sql, build));
  const row: Readonly<Record<string, Value>> = {
    id: build.id,
    state: recorded.state,
    repository: hostKey(build.repository),
    installation: hostKey(build.installation),
    installation_id: build.installation.id,
    delivery: build.delivery,
    ref: planned.ref,
    lane: laneOfBuild(planned),
    sha: planned.sha,
    image: planned.image,
    full_image: build.fullImage,
    registry,
    key: planned.key,
    generation: build.generation,
    journal_order: build.order,
    tag_lines: tagLines,
    planned: JSON.stringify(planned),
    hold_reason: build.hold?.reason ?? null,
    hold_detail: build.hold?.detail ?? null,
    approval: build.approval === null ? null : JSON.stringify(build.approval),
    twin: build.twin,
    cause: build.trigger,
    actor: origin.actor,
    config_digest: origin.configDigest,
    request: request.document,
    request_digest: request.digest,
    request_key: request.keyId,
    request_signature: request.signature,
    created_at: build.now,
  };
  const columns = Object.keys(row);
  await sql.query(
    `INSERT INTO builds (${columns.join(", ")}) VALUES (${columns.map((_name, index) => `$${index + 1}`).join(", ")})`,
    Object.values(row),
  );
}

/** Where images of a namespace go now. */
async function registryOf(sql: Sql, namespace: string): Promise<string> {
  const [row] = await sql.query("SELECT registry FROM namespaces WHERE name = $1", [namespace]);
  return row === undefined ? DEFAULT_REGISTRY : text(row, "registry");
}

/**
 * What core/supersede.ts calls `since`, for each tag with a version; a tag without one begins a new line. What both read
 * and write is the row of the image's tag, so builds planned at the same time agree on who was first.
 */
async function linesOf(
  sql: Sql,
  { planned, fullImage, order }: RecordedBuild,
): Promise<Readonly<Record<string, number>>> {
  const lines: [string, number][] = [];
  for (const tag of planned.push ? planned.tags : []) {
    if (!Object.hasOwn(planned.versions ?? {}, tag)) {
      await sql.query(
        `INSERT INTO tag_lines (image, tag, line) VALUES ($1, $2, $3)
         ON CONFLICT (image, tag) DO UPDATE SET line = excluded.line WHERE tag_lines.line < excluded.line`,
        [fullImage, tag, order],
      );
    } else {
      const [row] = await sql.query("SELECT line FROM tag_lines WHERE image = $1 AND tag = $2", [fullImage, tag]);
      lines.push([tag, row === undefined ? 0 : integer(row, "line")]);
    }
  }
  return Object.fromEntries(lines);
}

/** Nothing else lets it run than that somebody who may has said so. */
export function isHeld({ hold, approval }: Pick<RecordedBuild, "hold" | "approval">): boolean {
  return hold !== null && approval === null;
}

function asRecorded(build: RecordedBuild, registry: string): Build {
  const { id, repository, installation, delivery, planned, hold, approval, fullImage, trigger, now } = build;
  return {
    id,
    registry,
    state: isHeld(build) ? "held" : "queued",
    repository,
    installation,
    deliveryId: String(delivery),
    planned,
    image: fullImage,
    digest: null,
    tags: null,
    requestDigest: null,
    hold,
    approval,
    trigger,
    attempt: 0,
    steps: [],
    failure: null,
    createdAt: new Date(now).toISOString(),
    startedAt: null,
    finishedAt: null,
  };
}
