import { hostKey } from "../../src/core/model.ts";
import {
  IDLE_MS,
  SESSION_MS,
  type SessionStore,
  SIGN_IN_MS,
  type SignInAttempt,
  type StoredSession,
} from "../../src/engine/sessions-port.ts";

/** Sessions of one test, as the database keeps them. */
export function memorySessions(clock: { now(): number }): SessionStore & { readonly dump: () => string } {
  const sessions = new Map<string, { -readonly [K in keyof StoredSession]: StoredSession[K] } & { usedAt: number }>();
  const attempts = new Map<string, SignInAttempt & { readonly begun: number }>();
  const open = (key: string) => {
    const found = sessions.get(key);
    const now = clock.now();
    return found !== undefined && now - found.openedAt < SESSION_MS && now - found.usedAt < IDLE_MS ? found : null;
  };
  return {
    dump: () => JSON.stringify([[...sessions.values()], [...attempts.values()]]),
    async openSession(session) {
      sessions.set(session.key, { ...session, openedAt: clock.now(), usedAt: clock.now() });
    },
    async session(key) {
      const found = open(key);
      if (found === null) return null;
      found.usedAt = clock.now();
      return found;
    },
    lasts: async (key) => open(key) !== null,
    async widenReach(key, installation) {
      const found = open(key);
      if (found !== null) found.reach = [...found.reach, installation];
    },
    async endSession(key) {
      sessions.delete(key);
    },
    async endSessionsOf(whose) {
      const own = [...sessions.values()].filter(({ person }) =>
        whose === null
          ? person === null
          : person !== null && hostKey({ ...person, id: person.actor.id }) === hostKey(whose),
      );
      for (const { key } of own) sessions.delete(key);
      return own.length;
    },
    async beginSignIn(attempt) {
      attempts.set(attempt.key, { ...attempt, begun: clock.now() });
    },
    async takeSignIn(key) {
      const found = attempts.get(key);
      attempts.delete(key);
      return found !== undefined && clock.now() - found.begun < SIGN_IN_MS ? found : null;
    },
  };
}
