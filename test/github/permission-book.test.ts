import { expect, it } from "@jest/globals";
import { createBitbucketPermissionBook } from "../../src/bitbucket/permission-book.ts";
import { createGithubPermissionBook } from "../../src/github/permission-book.ts";
import { WANTED_PERMISSIONS } from "../../src/github/permissions.ts";
import { installation } from "../web/world.ts";

const ALL = Object.fromEntries(WANTED_PERMISSIONS.map(({ name, level }) => [name, level]));

it("says what an account on GitHub has given, and where its owners accept the rest", () => {
  const book = createGithubPermissionBook("https://github.example.com/");
  const some = book({ ...installation, permissions: { ...ALL, checks: "read" } });
  expect(some.asked.filter(({ given }) => given === false).map(({ title }) => title)).toEqual(["Checks"]);
  const manage = "https://github.example.com/organizations/acme/settings/installations/7";
  expect([some.manage, some.accept]).toEqual([manage, `${manage}/permissions/update`]);
  expect(book({ ...installation, permissions: ALL }).accept).toBeNull();
  const person = { ...installation, account: { ...installation.account, kind: "user", login: "ann" } } as const;
  expect(book(person).manage).toBe("https://github.example.com/settings/installations/7");
});

it("does not say of a workspace that something is missing, where Bitbucket does not tell", () => {
  const book = createBitbucketPermissionBook("https://bitbucket.org");
  const { asked, manage, accept } = book({ ...installation, permissions: { account: "read", pullrequest: "read" } });
  expect(asked.map(({ given }) => given)).toEqual([true, null, true]);
  expect([manage, accept]).toEqual(["https://bitbucket.org/acme/workspace/settings/addon-management", null]);
});
