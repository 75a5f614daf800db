import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { isObject, type JsonObject, textAt } from "../json.ts";
import { call, mint } from "./client.ts";
import {
  createGithubHost,
  type GithubHost,
  HOST_KINDS,
  type HostInstallation,
  type HostRepository,
  type Role,
} from "./index.ts";

const APPROVE = { label: "Build this", description: "Builds and tests this commit", identifier: "approve" };

describe.each(HOST_KINDS)("buttons and who may press them, on $kind", (kind) => {
  let host: GithubHost;
  let api: HostRepository;
  let installation: HostInstallation;
  let token: string;
  let sha: string;

  beforeEach(async () => {
    const webhook = { url: "http://127.0.0.1:9/", secret: "s".repeat(32) };
    host = await createGithubHost({ ...kind, webhook });
    const acme = host.organization("acme");
    api = await host.repository(acme, "api", { private: true });
    ({ sha } = await api.commit({ files: { a: "1\n" } }));
    installation = await host.install(acme);
    token = await mint(host, installation);
  });

  afterEach(() => host.close());

  function write(actions: readonly object[] | undefined, more: object = {}, path = "") {
    const body = {
      ...(path === "" ? { name: "image: api", head_sha: sha } : {}),
      ...more,
      ...(actions && { actions }),
    };
    return call(host, token, `${path === "" ? "POST" : "PATCH"} /repos/acme/api/check-runs${path}`, { body });
  }

  const held = { status: "completed", conclusion: "action_required" };

  async function ask(login: string, with_: string = token): Promise<{ status: number; body: JsonObject }> {
    const { status, body } = await call(host, with_, `GET /repos/acme/api/collaborators/${login}/permission`);
    return { status, body };
  }

  it("are told of with whoever pressed, once the check is completed", async () => {
    expect((await write([APPROVE], { status: "queued" })).status).toBe(201);
    const [run] = api.checkRuns(sha);
    if (run === undefined) throw new Error("there is no check run");
    await expect(host.pressButton(run, "approve")).rejects.toThrow("no button approve");
    expect((await write(undefined, held, `/${run.id}`)).status).toBe(200);
    expect(run).toMatchObject({ conclusion: "action_required", actions: [APPROVE] });
    await expect(host.pressButton(run, "Approve")).rejects.toThrow("no button Approve");
    const eve = host.user("eve");
    const delivery = await host.pressButton(run, "approve", eve);
    expect(delivery.sent).toBe(true);
    const body: unknown = JSON.parse(host.deliveries.at(-1)?.body ?? "");
    expect(body).toMatchObject({
      action: "requested_action",
      requested_action: { identifier: "approve" },
      check_run: { id: run.id, head_sha: sha, name: "image: api", app: { id: host.appId } },
      repository: { id: api.id },
      installation: { id: installation.id },
      sender: { id: eve.id, login: "eve" },
    });
    await host.pressButton(run, "approve");
    const byDefault: unknown = JSON.parse(host.deliveries.at(-1)?.body ?? "");
    expect(byDefault).toMatchObject({ sender: { login: "mona" } });
    expect((await write([], {}, `/${run.id}`)).status).toBe(200);
    expect(run.actions).toEqual([]);
    expect(host.violations).toEqual([]);
  });

  it("tell nobody who may not write checks", async () => {
    await write([APPROVE], held);
    const [run] = api.checkRuns(sha);
    if (run === undefined) throw new Error("there is no check run");
    await host.suspend(installation);
    expect((await host.pressButton(run, "approve")).sent).toBe(false);
    await host.unsuspend(installation);
    await host.grant(installation, { checks: "read" });
    expect((await host.pressButton(run, "approve")).sent).toBe(false);
  });

  it.each<[string, readonly object[], boolean]>([
    ["as long as allowed", [{ label: "l".repeat(20), description: "d".repeat(40), identifier: "i".repeat(20) }], true],
    ["three", [1, 2, 3].map((n) => ({ ...APPROVE, identifier: `a${n}` })), true],
    ["four", [1, 2, 3, 4].map((n) => ({ ...APPROVE, identifier: `a${n}` })), false],
    ["with a longer label", [{ ...APPROVE, label: "l".repeat(21) }], false],
    ["with a longer description", [{ ...APPROVE, description: "d".repeat(41) }], false],
    ["with a longer identifier", [{ ...APPROVE, identifier: "i".repeat(21) }], false],
    ["without a description", [{ label: "l", identifier: "i" }], false],
  ])("may be %s", async (_, actions, allowed) => {
    const { status } = await write(actions, held);
    expect([status, host.violations.length > 0]).toEqual(allowed ? [201, false] : [422, true]);
    expect(api.checkRuns(sha)).toHaveLength(allowed ? 1 : 0);
  });

  it.each<[Role, string]>([
    ["read", "read"],
    ["triage", "read"],
    ["write", "write"],
    ["maintain", "write"],
    ["admin", "admin"],
  ])("a %s has the old permission %s", async (role, permission) => {
    const rita = host.user("rita");
    host.setRole(api, rita, role);
    expect(await ask("Rita")).toMatchObject({
      status: 200,
      body: { permission, role_name: role, user: { id: rita.id, login: "rita", type: "User" } },
    });
    host.setRole(api, rita, { name: "shipper", base: role });
    expect((await ask("rita")).body).toMatchObject({ permission, role_name: "shipper" });
    host.setRole(api, rita, null);
    expect((await ask("rita")).body).toMatchObject({ permission: "none", role_name: "none" });
    expect(host.violations).toEqual([]);
  });

  it("everybody may read what is public, the owner everything, and of nobody nothing is known", async () => {
    const solo = host.user("solo");
    const open = await host.repository(solo, "open");
    await host.install(solo);
    const permission = async (login: string) =>
      textAt(
        (await call(host, token, `GET /repos/${open.fullName}/collaborators/${login}/permission`)).body,
        "permission",
      );
    host.user("eve");
    expect([await permission("eve"), await permission("solo")]).toEqual(["read", "admin"]);
    expect((await ask("mona")).body).toMatchObject({ permission: "admin" });
    expect((await ask("acme")).status).toBe(404);
    expect((await ask("nobody")).status).toBe(404);
    expect(host.violations).toEqual([]);
  });

  it("a login is whoever has it now", async () => {
    const rita = host.user("rita");
    host.setRole(api, rita, "admin");
    await host.renameAccount(rita, "rita-2");
    expect((await ask("rita")).status).toBe(404);
    const squatter = host.user("rita");
    expect((await ask("rita")).body).toMatchObject({ permission: "none", user: { id: squatter.id } });
    expect((await ask("rita-2")).body).toMatchObject({ permission: "admin", user: { id: rita.id } });
  });

  it("roles are told to tokens of the repository only", async () => {
    const other = await host.repository(host.organization("acme"), "other", { private: true });
    const elsewhere = await mint(host, installation, { repository_ids: [other.id], permissions: { metadata: "read" } });
    expect((await ask("mona", elsewhere)).status).toBe(404);
  });
});

describe("a commit of git", () => {
  let host: GithubHost;
  let api: HostRepository;

  beforeEach(async () => {
    host = await createGithubHost();
    api = await host.repository(host.organization("acme"), "api", { private: true });
  });

  afterEach(async () => {
    expect(host.violations).toEqual([]);
    await host.close();
  });

  async function ask(name: string, permissions: Record<string, string> = { contents: "read" }) {
    const installation = await host.install(host.organization("acme"), { permissions });
    const token = await mint(host, installation);
    const { status, body } = await call(host, token, `GET /repos/acme/api/git/commits/${name}`);
    await host.uninstall(installation);
    return { status, body: isObject(body) ? body : {} };
  }

  it("is found by its whole hash, also where only a pull request leads to it", async () => {
    await api.commit({ files: { a: "1\n" } });
    const fork = await host.fork(api, host.user("eve"));
    const { sha } = await fork.commit({ branch: "fix", message: "Fix it\n\nReally.", files: { a: "2\n" } });
    expect((await ask(sha)).status).toBe(404);
    await host.openPull(api, { head: "fix", from: fork });
    expect(await ask(sha)).toMatchObject({
      status: 200,
      body: { sha, message: "Fix it\n\nReally.", committer: { name: "eve" }, parents: [{}] },
    });
    for (const name of [sha.slice(0, 12), "main", "1".repeat(40)]) expect((await ask(name)).status).toBe(404);
    expect((await ask(sha, { checks: "write" })).status).toBe(403);
  });

  it("is not there before the first one", async () => {
    expect((await ask("1".repeat(40))).status).toBe(409);
  });
});
