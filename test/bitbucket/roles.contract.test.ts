import { expect } from "@jest/globals";
import type { Actor } from "../../src/core/model.ts";
import { type RolesScene, rolesContract } from "../contract/roles.contract.ts";
import { createBitbucketHost } from "../hosts/bitbucket/index.ts";
import { clientOf, idOf, installOn, repositoryOf, sideOf } from "./on-stand-in.ts";

rolesContract("Bitbucket", async (): Promise<RolesScene> => {
  const bitbucket = await createBitbucketHost({ commitBeforeCallback: true });
  const acme = bitbucket.workspace("acme");
  const api = await bitbucket.repository(acme, "api", { private: true });
  const install = await installOn(bitbucket, acme);
  const side = sideOf(bitbucket, { clients: [clientOf(install)] });
  const userOf = ({ login }: Actor) => bitbucket.user(login);
  return {
    port: side.port,
    installation: idOf(acme),
    repository: repositoryOf(api),
    person(login) {
      return { id: bitbucket.user(login).uuid, login };
    },
    inRepository: (person, permission) => bitbucket.setRepositoryPermission(api, userOf(person), permission),
    inAccount: (person, role) => bitbucket.setPermission(acme, userOf(person), role),
    uninstall: () => bitbucket.uninstall(install),
    async close() {
      await bitbucket.close();
      expect(bitbucket.violations).toEqual([]);
    },
  };
});
