import type { AccessTokens } from "../../src/engine/access-tokens.ts";

/** Of a test that is about something else. */
export const NO_ACCESS_TOKENS: AccessTokens = {
  make: () => Promise.reject(new Error("no access tokens in this test")),
  list: async () => null,
  revoke: async () => null,
};
