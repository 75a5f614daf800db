import { expect } from "@jest/globals";
import { type TipsScene, tipsContract } from "../contract/tips.contract.ts";
import { createGithubHost, HOST_KINDS } from "../hosts/github/index.ts";
import { idOf, portTo, repositoryOf } from "./on-stand-in.ts";

for (const kind of HOST_KINDS) {
  tipsContract(kind.kind, async (): Promise<TipsScene> => {
    const github = await createGithubHost({ ...kind });
    const acme = github.organization("acme");
    const api = await github.repository(acme, "api", { private: true });
    const empty = await github.repository(acme, "empty", { private: true });
    const installation = await github.install(acme);
    return {
      port: portTo(github),
      installation: idOf(installation),
      repository: repositoryOf(api),
      gitDir: api.gitDir,
      commit: (branch, file, message = "Change") => api.commit({ branch, files: { [file]: "" }, message }),
      empty: repositoryOf(empty),
      uninstall: () => github.uninstall(installation),
      async close() {
        await github.settled();
        expect(github.violations).toEqual([]);
        await github.close();
      },
    };
  });
}
