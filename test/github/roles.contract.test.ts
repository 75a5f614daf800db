import { expect } from "@jest/globals";
import type { Actor } from "../../src/core/model.ts";
import { type RolesScene, rolesContract } from "../contract/roles.contract.ts";
import { createGithubHost, HOST_KINDS } from "../hosts/github/index.ts";
import { idOf, portTo, repositoryOf } from "./on-stand-in.ts";

for (const kind of HOST_KINDS) {
  rolesContract(kind.kind, async (): Promise<RolesScene> => {
    const github = await createGithubHost({ ...kind });
    const acme = github.organization("acme");
    const api = await github.repository(acme, "api", { private: true });
    const installation = await github.install(acme, { permissions: { contents: "read", members: "read" } });
    const accountOf = ({ login }: Actor) => github.user(login);
    return {
      port: portTo(github),
      installation: idOf(installation),
      repository: repositoryOf(api),
      person(login) {
        return { id: String(github.user(login).id), login };
      },
      inRepository: (person, permission) => github.setRole(api, accountOf(person), permission),
      inAccount: (person, role) =>
        github.setMembership(
          acme,
          accountOf(person),
          role === null ? null : { role: role === "owner" ? "admin" : "member", state: "active" },
        ),
      uninstall: () => github.uninstall(installation),
      async close() {
        await github.settled();
        expect(github.violations).toEqual([]);
        await github.close();
      },
    };
  });
}
