import type { ApiTokens } from "../../src/engine/api-tokens.ts";

/** Of a test that is about something else. */
export const NO_API_TOKENS: ApiTokens = {
  make: () => Promise.reject(new Error("no API tokens in this test")),
  list: async () => null,
  revoke: async () => null,
  judge: async () => null,
};
