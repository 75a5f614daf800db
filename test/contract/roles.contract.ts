/** Who somebody is, as hosts tell: what `Host.role` promises, on the stand-in of each. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Actor, HostId, Repository } from "../../src/core/model.ts";
import type { Host } from "../../src/engine/ports.ts";

export interface RolesScene {
  readonly port: Host;
  /** Of an organization, or what comes near it. */
  readonly installation: HostId;
  readonly repository: Repository;
  /** The account of a name; made when new. */
  person(login: string): Actor;
  inRepository(person: Actor, permission: "admin" | "write" | "read" | null): void;
  inAccount(person: Actor, role: "owner" | "member" | null): void;
  /** The account takes back all it granted. */
  uninstall(): Promise<unknown>;
  close(): Promise<void>;
}

export function rolesContract(name: string, open: () => Promise<RolesScene>): void {
  describe(`roles on ${name}`, () => {
    let scene: RolesScene;
    beforeEach(async () => {
      scene = await open();
    });
    afterEach(() => scene.close());

    const roleOf = async (actor: Actor, place: "repository" | "account") => {
      const { port, installation, repository } = scene;
      const role = await port.role(installation, place === "repository" ? repository : null, actor);
      return role.ok ? role.value : role;
    };

    it.each([
      ["admin", "write"],
      ["write", "write"],
      ["read", "read"],
      [null, "none"],
    ] as const)(
      "in a repository, for whom the host says %s there: %s, and nothing in the account",
      async (permission, role) => {
        const rita = scene.person("rita");
        scene.inRepository(rita, permission);
        expect(await roleOf(rita, "repository")).toBe(role);
        expect(await roleOf(rita, "account")).toBe("none");
      },
    );

    it.each([
      ["owner", "owner"],
      ["member", "read"],
      [null, "none"],
    ] as const)("in the account, for whom the host says %s: %s", async (role, expected) => {
      const rita = scene.person("rita");
      scene.inAccount(rita, role);
      expect(await roleOf(rita, "account")).toBe(expected);
    });

    it("are write in every repository for owners of the account", async () => {
      const rita = scene.person("rita");
      scene.inAccount(rita, "owner");
      expect(await roleOf(rita, "repository")).toBe("write");
    });

    it("are as the host says at that moment: nothing is remembered", async () => {
      const rita = scene.person("rita");
      for (const role of ["owner", "member", null, "owner"] as const) {
        scene.inAccount(rita, role);
        expect(await roleOf(rita, "account")).toBe(role === "member" ? "read" : (role ?? "none"));
      }
      scene.inAccount(rita, null);
      for (const permission of ["write", null, "read"] as const) {
        scene.inRepository(rita, permission);
        expect(await roleOf(rita, "repository")).toBe(permission ?? "none");
      }
    });

    it("are those of the id: whoever uses the login of an owner has none of it", async () => {
      const [rita, eve] = [scene.person("rita"), scene.person("eve")];
      scene.inAccount(rita, "owner");
      scene.inRepository(rita, "admin");
      const disguised = { id: eve.id, login: rita.login };
      expect([await roleOf(disguised, "account"), await roleOf(disguised, "repository")]).toEqual(["none", "none"]);
      for (const id of ["", "0", "rita", "*", `${rita.id}"`]) {
        expect(await roleOf({ id, login: rita.login }, "account")).toBe("none");
      }
    });

    it("are nobody's any more where the account has taken back what it granted", async () => {
      const rita = scene.person("rita");
      scene.inAccount(rita, "owner");
      scene.inRepository(rita, "admin");
      await scene.uninstall();
      for (const place of ["account", "repository"] as const) {
        const role = await roleOf(rita, place);
        expect(role === "none" || (typeof role === "object" && !role.ok)).toBe(true);
      }
    });
  });
}
