/** `npm run test:mutation`: what it is for and what it found is in docs/mutation.md. */
const live = process.stdout.isTTY === true;

export default {
  mutate: [
    "src/core/trust.ts",
    "src/core/supersede.ts",
    "src/core/tags/**/*.ts",
    "src/engine/credentials.ts",
    "src/engine/promote.ts",
    "src/engine/signing.ts",
    "src/github/entrance.ts",
    "src/registry/staging.ts",
    "src/registry/token-grants.ts",
  ],
  testRunner: "jest",
  // Without the first the tests are run as CommonJS, which imports no packages that are modules.
  testRunnerNodeArgs: ["--experimental-vm-modules", "--disable-warning=ExperimentalWarning"],
  jest: { configFile: "jest.mutation.config.mjs", enableFindRelatedTests: true },
  coverageAnalysis: "perTest",
  // Stryker reads tsconfig.json through an interface that TypeScript 7 no longer has; a file that is not there it skips.
  tsconfigFile: "none.json",
  ignorePatterns: [".cache", "coverage", "data", "dist"],
  tempDirName: ".cache/stryker",
  incrementalFile: ".cache/mutation/incremental.json",
  jsonReporter: { fileName: ".cache/mutation/mutation.json" },
  htmlReporter: { fileName: ".cache/mutation/mutation.html" },
  reporters: [live ? "progress" : "progress-append-only", "clear-text", "html", "json"],
  clearTextReporter: { allowColor: live, logTests: false, skipFull: true },
  // Most of what survives can not be seen from outside (the list is in docs/mutation.md); a guard lost costs more.
  thresholds: { high: 95, low: 90, break: 90 },
};
