import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { ok } from "../../src/core/model.ts";
import type { Host } from "../../src/engine/ports.ts";
import {
  createGithubHost,
  type GithubHost,
  HOST_KINDS,
  type HostInstallation,
  type HostRepository,
} from "../hosts/github/index.ts";
import { idOf, portTo, repositoryOf } from "./on-stand-in.ts";

describe.each(HOST_KINDS)("a repository as it is now, on $kind", (kind) => {
  let github: GithubHost;
  let api: HostRepository;
  let web: HostRepository;
  let installation: HostInstallation;
  let port: Host;

  beforeEach(async () => {
    github = await createGithubHost(kind);
    const acme = github.organization("acme");
    api = await github.repository(acme, "api");
    web = await github.repository(acme, "web");
    installation = await github.install(acme, { repositories: [api] });
    port = portTo(github);
  });

  afterEach(async () => {
    const { violations } = github;
    await github.close();
    expect(violations).toEqual([]);
  });

  function asked(which: HostRepository = api, whose: HostInstallation = installation) {
    return port.repository(idOf(whose), repositoryOf(which));
  }

  function told(which: HostRepository = api, archived = false) {
    return ok({ ...repositoryOf(which), archived });
  }

  it("is asked for by its id, whatever it was called", async () => {
    const known = repositoryOf(api);
    await github.rename(api, "service");
    await github.setPrivate(api, true);
    expect(await port.repository(idOf(installation), known)).toEqual(told());
    expect(told()).toMatchObject({ value: { fullName: "acme/service", private: true } });
    await github.setArchived(api, true);
    expect(await asked()).toEqual(told(api, true));
  });

  it("is not covered where everybody may read it and the installation does not reach it", async () => {
    expect(await asked(web)).toEqual(ok(null));
    const stranger = await github.install(github.user("eve"));
    expect(await asked(api, stranger)).toEqual(ok(null));
  });

  it("is not covered any more at once, whatever token was good for it", async () => {
    expect(await asked()).toEqual(told());
    await github.removeRepositories(installation, [api]);
    expect(await asked()).toEqual(ok(null));
    await github.addRepositories(installation, [api, web]);
    expect(await asked()).toEqual(told());
    const bob = github.user("bob");
    const theirs = await github.install(bob);
    await github.transfer(api, bob);
    expect([await asked(), await asked(api, theirs)]).toEqual([ok(null), told()]);
    await github.deleteRepository(web);
    expect(await asked(web)).toEqual(ok(null));
  });

  it("is not known of an installation that is suspended or gone, or while GitHub is away", async () => {
    github.inject({ match: ({ path }) => path.startsWith("/repositories/"), times: 2, effect: { status: 502 } });
    expect(await asked()).toMatchObject({ ok: false, retryable: true });
    await github.suspend(installation);
    expect(await asked()).toMatchObject({ ok: false });
    await github.unsuspend(installation);
    await github.uninstall(installation);
    expect(await asked()).toMatchObject({ ok: false, retryable: false });
  });
});
