import { describeFaults } from "../support/bitbucket-faults.ts";

describeFaults("connect", {
  answers: [
    "500",
    "503 of a proxy",
    "429",
    "401",
    "a connection that is cut",
    "no answer",
    "done, and the connection cut",
    "done, and a 502",
  ],
});
