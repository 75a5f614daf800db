import { describe, expect, it } from "@jest/globals";
import { isLoopback } from "../../src/core/loopback.ts";

describe("an address of this machine alone", () => {
  it.each([
    "http://localhost:3000",
    "http://127.0.0.1",
    "https://127.1.2.3:8443/x",
    "http://[::1]:3000",
    "http://LOCALHOST",
  ])("is %s", (address) => expect(isLoopback(address)).toBe(true));

  it.each([
    "https://builds.example.com",
    "http://127.0.0.1.example.com",
    "http://localhost.example.com",
    "http://10.0.0.1",
  ])("is not %s", (address) => expect(isLoopback(address)).toBe(false));
});
