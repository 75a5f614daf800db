import { describeFaults } from "../support/bitbucket-faults.ts";

describeFaults("connect", { faults: ["refused", "lost"] });
