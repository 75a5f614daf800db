import config from "./jest.config.mjs";

/** The tests of the guards that need no registry, database server, network or builder: each runs hundreds of times. */
export default {
  ...config,
  testMatch: [
    "<rootDir>/test/core/{rules,supersede,trust}.test.ts",
    "<rootDir>/test/core/tags/*.test.ts",
    "<rootDir>/test/engine/{credentials,promote-steps,signing}.test.ts",
    "<rootDir>/test/github/entrance.test.ts",
    "<rootDir>/test/registry/{staging,token-grants,token-service}.test.ts",
  ],
  // Every mutant meets the same generated values: one that is killed today is killed tomorrow.
  setupFiles: ["<rootDir>/test/support/fixed-seed.ts"],
};
