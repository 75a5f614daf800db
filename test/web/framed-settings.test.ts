import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { ok } from "../../src/core/model.ts";
import type { HostRole } from "../../src/core/roles.ts";
import { createAuthorizer } from "../../src/engine/authorize.ts";
import { type OpenedStore, openStore } from "../../src/store/store.ts";
import { createVault } from "../../src/store/vault.ts";
import { packageRoot } from "../../src/version.ts";
import { createFramedSettings, type FramedSettings } from "../../src/web/framed-settings.ts";
import { createViews } from "../../src/web/views.ts";
import { testClock } from "../contract/store.samples.ts";
import { recordingLog } from "../engine/fakes.ts";
import { NO_ACCESS_TOKENS } from "../support/no-access-tokens.ts";

const WORKSPACE = "{acf54878-1111-4222-8333-444455556666}";
const OWNER = "{6ae3c307-1111-4222-8333-444455556666}";
const ID = { provider: "bitbucket", host: "default", id: WORKSPACE } as const;
const API = { provider: "bitbucket", host: "default", id: "{r1}", fullName: "acme/api", private: true } as const;
const VISITOR = { workspace: WORKSPACE, user: { id: OWNER, login: "olga" }, formToken: "a-token" };

const views = createViews(join(packageRoot, "views"), "test");
let store: OpenedStore;
let settings: FramedSettings;
let role: HostRole;
let asked: string[];

beforeEach(async () => {
  const clock = testClock();
  store = await openStore({ url: "sqlite::memory:", clock, vault: createVault([randomBytes(32)]) });
  const account = { ...ID, login: "acme", kind: "organization" } as const;
  await store.saveInstallation({ id: ID, account, state: "active", permissions: {} });
  await store.linkRepositories(ID, [API], { complete: true });
  [role, asked] = ["owner", []];
  const { log } = recordingLog();
  const host = {
    provider: "bitbucket",
    host: "default",
    role: async (_installation: unknown, repository: unknown, { id }: { id: string }) => {
      asked.push(`${id} ${repository === null ? "account" : "repository"}`);
      return ok(role);
    },
  } as const;
  const surveys = { within: async () => [null] };
  const parts = { store, surveys, preview: async () => null, accessTokens: NO_ACCESS_TOKENS, clock, log };
  const readers = { builds: async () => [] };
  settings = createFramedSettings(parts, { authorizer: createAuthorizer({ hosts: [host], log }), readers });
});
afterEach(() => store.close());

async function show(fields: Record<string, string> | null = null) {
  const answer = await settings.show(VISITOR, fields === null ? null : (name) => fields[name] ?? "");
  if (answer === null) throw new Error("nothing is known of the workspace");
  const hostScript = "https://bitbucket.org/atlassian-connect/all.js";
  const page = { ...answer.data, section: null, formToken: null, hostScript };
  return { ...answer, html: views.render(answer.view, page) };
}

describe("settings in a frame", () => {
  it("are the same sections as in a browser, with forms that carry who was shown them", async () => {
    const { status, html } = await show();
    expect(status).toBe(200);
    for (const id of ["namespace", "repositories", "policy", "variables", "access", "pause", "audit", "uninstall"]) {
      expect(html).toContain(`<h2 id="${id}">`);
    }
    const forms = html.match(/<form/g)?.length ?? 0;
    expect(forms).toBeGreaterThan(3);
    expect(html.match(/name="frame_token" value="a-token"/g)).toHaveLength(forms);
    expect(html.match(/action="\/bitbucket\/configure/g)).toHaveLength(forms);
    // No address of ours opens in a frame, where nobody is signed in.
    expect(html).not.toMatch(/href="\/installations/);
    expect(html).not.toContain('name="form_token"');
  });

  it("are changed by whom Bitbucket calls an owner at that moment, which the audit log names", async () => {
    const { status, html } = await show({ change: "save-variable", kind: "variable", name: "LEVEL", value: "debug" });
    expect([status, asked]).toEqual([200, [`${OWNER} account`]]);
    expect(html).toContain("Saved. Builds that begin from now on get it.");
    expect(html).toContain("LEVEL");
    const { items } = await store.listAudit({ limit: 10, cursor: null, installation: ID });
    expect(items[0]).toMatchObject({
      action: "variable.saved",
      by: { kind: "person", actor: { id: OWNER, login: "olga" } },
    });
  });

  it("are not changed by somebody who is an owner no more", async () => {
    role = "read";
    const answer = await show({ change: "pause" });
    expect([answer.status, answer.view]).toEqual([403, "bitbucket-notice"]);
    expect(await store.pausesOf({ installation: ID })).toEqual([]);
  });

  it("say what is wrong with a form, and keep what was typed", async () => {
    const { status, html } = await show({
      change: "save-variable",
      kind: "secret",
      name: "a b",
      value: "hidden-value",
    });
    expect(status).toBe(422);
    expect(html).toContain('value="a b"');
    expect(html).not.toContain("hidden-value");
  });

  it("lead to those of a repository and back, by forms", async () => {
    const page = await show();
    expect(page.html).toContain('<input type="hidden" name="repository" value="{r1}">');
    const { view, html } = await show({ repository: "{r1}" });
    expect(view).toBe("bitbucket-settings-repository");
    expect(html).toContain("Settings of acme/api");
    expect(html).toContain("← Settings of acme");
    await show({ repository: "{r1}", change: "save-variable", kind: "variable", name: "ONE", value: "x" });
    expect((await store.listVariables({ installation: ID, repository: API })).map(({ name }) => name)).toEqual(["ONE"]);
    expect((await show({ repository: "{r2}", change: "pause" })).status).toBe(404);
  });

  it("are not there for a workspace nobody has heard of", async () => {
    expect(await settings.show({ ...VISITOR, workspace: "{other}" }, null)).toBeNull();
  });
});
