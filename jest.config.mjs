import { availableParallelism } from "node:os";

export default {
  // Much of the time is spent waiting for builds, databases and registries: leaving a core idle, as jest does, costs minutes.
  maxWorkers: Math.max(2, availableParallelism() - 1),
  // Modules that tests load stay with their worker: one that has grown is replaced between two files.
  workerIdleMemoryLimit: "1500MB",
  testEnvironment: "node",
  roots: ["<rootDir>/test"],
  testMatch: ["**/*.test.ts"],
  extensionsToTreatAsEsm: [".ts"],
  clearMocks: true,
  // A deadline for what hangs, not a measure: machines that run tests are shared.
  testTimeout: 120_000,
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      {
        jsc: { parser: { syntax: "typescript" }, target: "es2022" },
        module: { type: "es6" },
        sourceMaps: "inline",
      },
    ],
  },
};
