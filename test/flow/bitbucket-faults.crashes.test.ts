import { describeFaults } from "../support/bitbucket-faults.ts";

describeFaults("connect", { faults: ["crash before", "crash after"] });
