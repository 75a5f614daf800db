import { describe, expect, it } from "@jest/globals";
import { CODE_BYTES, consentCode, parseConsentCode } from "../../src/core/consent-code.ts";

describe("a one-time code", () => {
  it("has four groups that can be read out", () => {
    expect(consentCode(new Uint8Array(CODE_BYTES))).toBe("00000-00000-00000-00000");
    expect(consentCode(new Uint8Array(CODE_BYTES).fill(255))).toBe("ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ");
    expect(() => consentCode(new Uint8Array(CODE_BYTES - 1))).toThrow(RangeError);
  });

  it("is another one for each of its hundred bits", () => {
    const codes = new Set<string>();
    for (let bit = 0; bit < 100; bit += 1) {
      const bytes = new Uint8Array(CODE_BYTES);
      bytes[Math.floor(bit / 8)] = 128 >> (bit % 8);
      codes.add(consentCode(bytes));
    }
    expect(codes.size).toBe(100);
  });

  it("is the same however it is typed", () => {
    const code = consentCode(Uint8Array.from({ length: CODE_BYTES }, (_, index) => index * 37));
    const plain = code.replaceAll("-", "");
    for (const typed of [code, code.toLowerCase(), plain, ` ${plain}\n`, code.replaceAll("-", " - ")]) {
      expect(parseConsentCode(typed)).toBe(plain);
    }
    expect(parseConsentCode("olIO0-00000-00000-00000")).toBe("01100000000000000000");
  });

  it.each(["", "-", "0000", "0".repeat(19), "0".repeat(21), "U".repeat(20), `${"0".repeat(19)}ß`])(
    "is nothing like %j",
    (typed) => {
      expect(parseConsentCode(typed)).toBeNull();
    },
  );
});
