import { describe, expect, it } from "@jest/globals";
import { deliveryKey } from "../../src/store/journal.ts";

describe("the key of a delivery", () => {
  it("puts the ids a host gave out one after another one after another", () => {
    const ids = [
      "fffffff0-e53d-11f1-be34-11fdd4841559",
      "00000000-e53e-11f1-be34-11fdd4841559",
      "00000001-e53e-11f1-be34-11fdd4841559",
      "00000000-0000-11f2-be34-11fdd4841559",
    ];
    const keys = ids.map(deliveryKey);
    expect(keys.toSorted(Buffer.compare)).toEqual(keys);
    expect(new Set(keys.map((key) => key.toString("hex"))).size).toBe(ids.length);
  });

  it("differs for ids that differ in anything, and can not be made to equal another's", () => {
    const id = "60a26fe0-e53d-11f1-be34-11fdd4841559";
    const others = [id.toUpperCase(), id.replaceAll("-", ""), `${id} `, id.replace("11f1", "41f1"), "x"];
    const keys = [id, ...others].map((one) => deliveryKey(one).toString("hex"));
    expect(new Set(keys).size).toBe(keys.length);
    // The bytes of a reordered id are no printable text, so no other id spells them.
    expect(deliveryKey(id)[0]).toBeLessThan(0x20);
  });
});
