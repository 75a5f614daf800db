import { failed, ok } from "../core/model.ts";
import type { RegistryAccess } from "../engine/ports.ts";
import { scope, uploadsPath } from "./names.ts";
import type { Session } from "./session.ts";

/** Tries what the session's credential opens, and leaves nothing behind. */
export function createAccess(session: Session): RegistryAccess {
  return {
    async mayPush(repository) {
      const scopes = [scope(repository, "pull", "push")];
      const begun = await session.ask({ method: "POST", path: uploadsPath(repository), scopes });
      if (!begun.ok) return begun;
      if (begun.value.status !== 202) return session.refusal(begun.value);
      const place = session.pathOf(begun.value.headers.get("location"));
      if (place === null) return failed(`The registry ${session.name} names no place to upload.`, { retryable: false });
      // What can not be taken back the registry purges in time: that it could be begun is all that was asked.
      await session.ask({ method: "DELETE", path: place, scopes });
      return ok(true);
    },

    async signInPlace() {
      const asked = await session.ask({ method: "GET", path: "/v2/", scopes: [] });
      return asked.ok ? session.realm() : null;
    },
  };
}
