import { describe, expect, it } from "@jest/globals";
import { parsePostgresUrl, withoutPassword } from "../../src/store/postgres-url.ts";

describe("the address of a PostgreSQL database", () => {
  it("has the parts of a URL, decoded", () => {
    expect(parsePostgresUrl("postgres://me%40x:p%2Fw%3A1@db.example.org:6543/build%20s")).toEqual({
      host: "db.example.org",
      port: 6543,
      user: "me@x",
      password: "p/w:1",
      database: "build s",
      ssl: false,
    });
    expect(parsePostgresUrl("postgresql://me@[::1]/w")).toMatchObject({ host: "::1", port: 5432, password: null });
  });

  it("may name the folder of a socket", () => {
    const address = "postgres://me@localhost/w?host=%2Frun%2Fpostgresql";
    expect(parsePostgresUrl(address)).toMatchObject({ host: "/run/postgresql", database: "w" });
  });

  it("is shown without its password", () => {
    expect(withoutPassword("postgres://u:hunter2@db/w?sslmode=require")).toBe("postgres: w on db:5432 as u");
    expect(withoutPassword("sqlite:/data/w.db")).toBe("sqlite:/data/w.db");
  });

  it("says how the connection is encrypted", () => {
    const ssl = (mode: string) => parsePostgresUrl(`postgres://me@db/w?sslmode=${mode}`).ssl;
    expect(ssl("disable")).toBe(false);
    expect(ssl("require")).toEqual({ rejectUnauthorized: false });
    expect(ssl("verify-full")).toEqual({});
    expect(ssl("verify-ca")).toEqual({ checkServerIdentity: expect.any(Function) });
  });

  it.each([
    ["postgres://u:hunter2@db/w?sslmod=require", "sslmod"],
    ["postgres://u:hunter2@db/w?sslmode=prefer", "sslmode"],
    ["postgres://u:hunter2@db/w?sslmode=", "sslmode"],
    ["postgres://u:hunter2@db/w?sslrootcert=/nowhere/ca.pem", "ca.pem"],
    ["postgres://u:hunter2@db/", "names no database"],
    ["postgres://db/w", "names no user"],
    ["postgres:///w", "names no host"],
    ["postgres://u:hunter2@db:port/w", "is no address"],
    ["postgres://u:hunter2%@db/w", "encodes nothing"],
  ])("is refused where it would not mean what it says, without its password: %s", (address, why) => {
    expect(() => parsePostgresUrl(address)).toThrow(why);
    expect(() => parsePostgresUrl(address)).not.toThrow("hunter2");
  });
});
