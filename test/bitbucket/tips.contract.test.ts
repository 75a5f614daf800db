import { expect } from "@jest/globals";
import { type TipsScene, tipsContract } from "../contract/tips.contract.ts";
import { createBitbucketHost } from "../hosts/bitbucket/index.ts";
import { clientOf, idOf, installOn, repositoryOf, sideOf } from "./on-stand-in.ts";

tipsContract("Bitbucket", async (): Promise<TipsScene> => {
  const bitbucket = await createBitbucketHost({ commitBeforeCallback: true });
  const acme = bitbucket.workspace("acme");
  const api = await bitbucket.repository(acme, "api", { private: true });
  const empty = await bitbucket.repository(acme, "empty", { private: true });
  const install = await installOn(bitbucket, acme);
  return {
    port: sideOf(bitbucket, { clients: [clientOf(install)] }).port,
    installation: idOf(acme),
    repository: repositoryOf(api),
    gitDir: api.gitDir,
    commit: (branch, file, message = "Change") => api.commit({ branch, files: { [file]: "" }, message }),
    empty: repositoryOf(empty),
    uninstall: () => bitbucket.uninstall(install),
    async close() {
      await bitbucket.close();
      expect(bitbucket.violations).toEqual([]);
    },
  };
});
