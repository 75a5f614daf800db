import { describeFaults } from "../support/bitbucket-faults.ts";

/** It has no tokens of its own to ask for, and is else the same as the other door: one fault of a kind will do. */
describeFaults("webhook", { faults: ["lost"], answers: ["429", "done, and a 502"] });
