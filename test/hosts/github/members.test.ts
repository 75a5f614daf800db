import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { textAt } from "../json.ts";
import { call, mint } from "./client.ts";
import { createGithubHost, type GithubHost, HOST_KINDS, type HostAccount, type HostInstallation } from "./index.ts";

describe.each(HOST_KINDS)("the people of an organization, on $kind", (kind) => {
  let host: GithubHost;
  let acme: HostAccount;
  let installation: HostInstallation;

  beforeEach(async () => {
    host = await createGithubHost({ ...kind });
    acme = host.organization("acme");
    installation = await host.install(acme, { permissions: { members: "read" } });
  });

  afterEach(() => host.close());

  async function ask(login: string, organization = "acme", of = installation) {
    const token = await mint(host, of);
    return call(host, token, `GET /orgs/${organization}/memberships/${login}`);
  }

  it("are told one by one, with their role and both ids, invited ones as pending", async () => {
    const rita = host.user("rita");
    for (const role of ["admin", "member", "billing_manager"] as const) {
      for (const state of ["active", "pending"] as const) {
        host.setMembership(acme, rita, { role, state });
        const { status, body } = await ask("Rita", "ACME");
        expect([status, textAt(body, "role"), textAt(body, "state")]).toEqual([200, role, state]);
        expect(body).toMatchObject({ organization: { id: acme.id }, user: { id: rita.id } });
      }
    }
    expect(host.violations).toEqual([]);
  });

  it("are mona alone until told otherwise; of others, and of nobody, it says 404", async () => {
    expect((await ask("mona")).body).toMatchObject({ role: "admin", state: "active" });
    host.user("rita");
    expect((await ask("rita")).status).toBe(404);
    expect((await ask("nobody")).status).toBe(404);
    host.setMembership(acme, host.user("mona"), null);
    expect((await ask("mona")).status).toBe(404);
  });

  it("are told under the name they have now", async () => {
    const { id } = host.user("rita");
    host.setMembership(acme, host.user("rita"), { role: "admin", state: "active" });
    await host.renameAccount(acme, "acme-inc");
    expect((await ask("rita")).status).toBe(404);
    expect((await ask("rita", "acme-inc")).body).toMatchObject({ user: { id } });
  });

  it("are told to nobody without the permission, nor to another account's installation", async () => {
    await host.grant(installation, { contents: "read" });
    expect((await ask("mona")).status).toBe(403);
    const other = await host.install(host.organization("other"), { permissions: { members: "read" } });
    expect((await ask("mona", "acme", other)).status).toBe(403);
    expect((await ask("mona", "nowhere", other)).status).toBe(404);
  });
});
