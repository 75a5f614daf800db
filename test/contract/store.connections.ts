import { describe, expect, it } from "@jest/globals";
import type { Connection } from "../../src/engine/grants-port.ts";
import { connectionOf, type OpenedGrants, OTHER_WORKSPACE, told, WORKSPACE } from "./grants.samples.ts";
import { OPERATOR } from "./store.by.ts";

export function connectionsContract(opened: () => OpenedGrants): void {
  describe("keeps connections", () => {
    it("with all their facts, until they are removed", async () => {
      const { grants, clock, journalled } = opened();
      const repository = { id: "{aaaaaaaa-2222-4333-8444-555555555555}", fullName: "acme/api" };
      const wide = connectionOf("wide");
      const narrow = connectionOf("narrow", { repository, hook: "{hook}", kind: "user", secrets: ["new", "old"] });
      const createdAt = new Date(clock.now()).toISOString();
      await grants.addConnection(wide, told("wide"), OPERATOR);
      await grants.addConnection(narrow, told("narrow"), OPERATOR);
      await grants.addConnection(
        connectionOf("elsewhere", { workspace: OTHER_WORKSPACE }),
        told("elsewhere"),
        OPERATOR,
      );
      expect(await grants.connection("wide")).toEqual({ ...wide, createdAt });
      expect(await grants.connection("narrow")).toEqual({ ...narrow, createdAt });
      expect(await grants.connection("Wide")).toBeNull();
      const ids = (connections: readonly Connection[]) => connections.map(({ id }) => id);
      expect(ids(await grants.connectionsOf(WORKSPACE))).toEqual(["narrow", "wide"]);
      expect(ids(await grants.listConnections())).toEqual(["elsewhere", "narrow", "wide"]);

      expect(await grants.removeConnection("narrow", told("gone"), OPERATOR)).toBe(true);
      expect(await grants.removeConnection("narrow", told("gone again"), OPERATOR)).toBe(false);
      expect(await grants.connection("narrow")).toBeNull();
      expect(ids(await grants.connectionsOf(WORKSPACE))).toEqual(["wide"]);
      expect(await journalled()).toEqual(["wide", "narrow", "elsewhere", "gone"]);
    });

    it("of which none takes the place of another, and none is without a secret or has three", async () => {
      const { grants, journalled } = opened();
      await grants.addConnection(connectionOf("one"), told("one"), OPERATOR);
      await expect(grants.addConnection(connectionOf("one", { token: "x" }), told("two"), OPERATOR)).rejects.toThrow();
      await expect(grants.addConnection(connectionOf("none", { secrets: [] }), told(), OPERATOR)).rejects.toThrow(
        RangeError,
      );
      await expect(
        grants.addConnection(connectionOf("three", { secrets: ["a", "b", "c"] }), told(), OPERATOR),
      ).rejects.toThrow(RangeError);
      expect(await grants.listConnections()).toMatchObject([connectionOf("one")]);
      expect(await journalled()).toEqual(["one"]);
    });

    it("and accepts the secret before the current one until it is dropped, but none older", async () => {
      const { grants } = opened();
      await grants.addConnection(connectionOf("one", { secrets: ["1"] }), told(), OPERATOR);
      const secrets = async () => (await grants.connection("one"))?.secrets;
      expect(await grants.changeConnection("one", { secret: "2" }, OPERATOR)).toBe(true);
      expect(await secrets()).toEqual(["2", "1"]);
      expect(await grants.changeConnection("one", { secret: "3" }, OPERATOR)).toBe(true);
      expect(await secrets()).toEqual(["3", "2"]);
      // Said twice, for whoever did not hear the answer.
      expect(await grants.changeConnection("one", { secret: "3" }, OPERATOR)).toBe(true);
      expect(await secrets()).toEqual(["3", "2"]);
      await grants.dropPreviousSecret("one", OPERATOR);
      await grants.dropPreviousSecret("one", OPERATOR);
      expect(await secrets()).toEqual(["3"]);
    });

    it("and changes what it is told to change, and nothing else", async () => {
      const { grants } = opened();
      await grants.addConnection(connectionOf("one"), told(), OPERATOR);
      await grants.addConnection(connectionOf("two"), told(), OPERATOR);
      const [two, one] = await grants.listConnections();
      expect(await grants.changeConnection("one", {}, OPERATOR)).toBe(true);
      expect(await grants.connection("one")).toEqual(one);
      expect(await grants.changeConnection("one", { token: "new token", hook: "{hook}" }, OPERATOR)).toBe(true);
      expect(await grants.connection("one")).toEqual({ ...one, token: "new token", hook: "{hook}" });
      expect(await grants.changeConnection("one", { hook: null }, OPERATOR)).toBe(true);
      expect(await grants.connection("one")).toEqual({ ...one, token: "new token" });
      expect(await grants.connection("two")).toEqual(two);
    });

    it("and neither changes nor removes one that is not there", async () => {
      const { grants, journalled } = opened();
      expect(await grants.changeConnection("none", { secret: "x", token: "y", hook: "z" }, OPERATOR)).toBe(false);
      await grants.dropPreviousSecret("none", OPERATOR);
      expect(await grants.removeConnection("none", told(), OPERATOR)).toBe(false);
      await grants.addConnection(connectionOf("gone"), told("added"), OPERATOR);
      await grants.removeConnection("gone", told("removed"), OPERATOR);
      expect(await grants.changeConnection("gone", { secret: "x" }, OPERATOR)).toBe(false);
      expect(await grants.listConnections()).toEqual([]);
      expect(await journalled()).toEqual(["added", "removed"]);
    });
  });
}
