import { type HostId, hostKey, parseHostKey } from "../core/model.ts";
import {
  IDLE_MS,
  MAX_SESSIONS,
  MAX_SIGN_INS,
  SESSION_MS,
  type SessionStore,
  SIGN_IN_MS,
  type SignInAttempt,
  type StoredSession,
  type Vouched,
} from "../engine/sessions-port.ts";
import type { Person } from "../engine/viewer.ts";
import type { StoreParts } from "./builds.ts";
import { integer, json, type Row, text, textOrNull } from "./rows.ts";

/** A page asks for several things at once; half an hour needs no more precision. */
const USED_EVERY_MS = 60_000;

const OPERATOR = "operator";

export function createSessions({ database, clock }: Omit<StoreParts, "newId">): SessionStore {
  return {
    openSession({ key, person, proof, reach, vouched }) {
      const now = clock.now();
      const whose = person === null ? OPERATOR : hostKey(userOf(person));
      return database.transaction(async (sql) => {
        await sql.query("DELETE FROM sessions WHERE opened_at <= $1 OR used_at <= $2", [
          now - SESSION_MS,
          now - IDLE_MS,
        ]);
        await sql.query(
          `INSERT INTO sessions (key, person, login, proof, reach, vouched, opened_at, used_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $7)`,
          [
            key,
            whose,
            person?.actor.login ?? null,
            proof,
            JSON.stringify(reach.map(hostKey)),
            JSON.stringify(vouched),
            now,
          ],
        );
        await sql.query(
          `DELETE FROM sessions WHERE person = $1 AND seq <= (
             SELECT seq FROM sessions WHERE person = $1 ORDER BY seq DESC LIMIT 1 OFFSET ${MAX_SESSIONS})`,
          [whose],
        );
      });
    },

    async session(key) {
      const now = clock.now();
      const [row] = await database.query("SELECT * FROM sessions WHERE key = $1 AND opened_at > $2 AND used_at > $3", [
        key,
        now - SESSION_MS,
        now - IDLE_MS,
      ]);
      if (row === undefined) return null;
      if (integer(row, "used_at") <= now - USED_EVERY_MS) {
        await database.query("UPDATE sessions SET used_at = $2 WHERE key = $1 AND used_at < $2", [key, now]);
      }
      return toSession(row);
    },

    async lasts(key) {
      const now = clock.now();
      const open = "SELECT seq FROM sessions WHERE key = $1 AND opened_at > $2 AND used_at > $3";
      return (await database.query(open, [key, now - SESSION_MS, now - IDLE_MS])).length > 0;
    },

    widenReach: (key, installation) =>
      database.transaction(async (sql) => {
        const [row] = await sql.query("SELECT reach FROM sessions WHERE key = $1 FOR UPDATE", [key]);
        if (row === undefined) return;
        const known = json<readonly string[]>(row, "reach");
        const more = hostKey(installation);
        if (known.includes(more)) return;
        await sql.query("UPDATE sessions SET reach = $2 WHERE key = $1", [key, JSON.stringify([...known, more])]);
      }),

    async endSession(key) {
      await database.query("DELETE FROM sessions WHERE key = $1", [key]);
    },

    async endSessionsOf(whose) {
      const person = whose === null ? OPERATOR : hostKey(whose);
      return (await database.query("DELETE FROM sessions WHERE person = $1 RETURNING key", [person])).length;
    },

    beginSignIn({ key, provider, host, next }) {
      const now = clock.now();
      return database.transaction(async (sql) => {
        await sql.query("DELETE FROM sign_ins WHERE begun_at <= $1", [now - SIGN_IN_MS]);
        await sql.query("INSERT INTO sign_ins (key, provider, host, next, begun_at) VALUES ($1, $2, $3, $4, $5)", [
          key,
          provider,
          host,
          next,
          now,
        ]);
        await sql.query(
          `DELETE FROM sign_ins WHERE seq <= (SELECT seq FROM sign_ins ORDER BY seq DESC LIMIT 1 OFFSET ${MAX_SIGN_INS})`,
        );
      });
    },

    async takeSignIn(key) {
      const now = clock.now();
      const [row] = await database.query("DELETE FROM sign_ins WHERE key = $1 RETURNING *", [key]);
      const begun = row === undefined ? null : integer(row, "begun_at");
      if (row === undefined || begun === null || begun <= now - SIGN_IN_MS) return null;
      return {
        key: text(row, "key"),
        provider: text(row, "provider") as SignInAttempt["provider"],
        host: text(row, "host"),
        next: text(row, "next"),
      };
    },
  };
}

function userOf({ provider, host, actor }: Person): HostId {
  return { provider, host, id: actor.id };
}

// What the next two read was written by this file only.

function toSession(row: Row): StoredSession {
  return {
    key: text(row, "key"),
    person: toPerson(text(row, "person"), textOrNull(row, "login")),
    proof: textOrNull(row, "proof"),
    reach: json<readonly string[]>(row, "reach").map(parsed),
    vouched: json<readonly Vouched[]>(row, "vouched"),
    openedAt: integer(row, "opened_at"),
  };
}

function toPerson(person: string, login: string | null): Person | null {
  if (person === OPERATOR) return null;
  const { provider, host, id } = parsed(person);
  return { provider, host, actor: { id, login: login ?? id } };
}

function parsed(key: string): HostId {
  const id = parseHostKey(key);
  if (id === null) throw new TypeError("a session holds an id that is none");
  return id;
}
