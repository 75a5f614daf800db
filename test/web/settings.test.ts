import { afterEach, describe, expect, it } from "@jest/globals";
import { failed, ok } from "../../src/core/model.ts";
import { parseRepoConfig } from "../../src/core/repo-config/parse.ts";
import { ACTIONS } from "../../src/core/roles.ts";
import type { Trial, Trials } from "../../src/engine/trial.ts";
import { createGithubPermissionBook } from "../../src/github/permission-book.ts";
import type { SettingsParts } from "../../src/web/settings.ts";
import {
  ACME,
  API,
  LIB,
  openSettings,
  REPOSITORY,
  SETTINGS,
  SEVEN,
  type SettingsWorld,
  surveyed,
} from "./settings-world.ts";
import { browser } from "./world.ts";

let at: SettingsWorld;
async function open(changes: Parameters<typeof openSettings>[0] = {}): Promise<SettingsWorld> {
  at = await openSettings(changes);
  at.roles.set("ann", "owner").set("ben", "read").set("eve", "none").set("sam", "unknown");
  return at;
}
afterEach(() => at.close());

async function actions(): Promise<readonly string[]> {
  const { items } = await at.store.listAudit({ limit: 100, cursor: null, installation: SEVEN });
  return items.map(({ action, by }) => `${action} ${by.kind === "person" ? by.actor.login : by.kind}`);
}

describe("settings of an installation", () => {
  it("are shown to the operator with every section and its forms", async () => {
    await open({ settings: { permissions: createGithubPermissionBook("https://github.com") } });
    const { status, html } = await at.get(SETTINGS);
    expect(status).toBe(200);
    for (const id of [
      "namespace",
      "repositories",
      "policy",
      "variables",
      "tokens",
      "access",
      "pause",
      "audit",
      "uninstall",
    ]) {
      expect(html).toContain(`<h2 id="${id}">`);
    }
    for (const change of ["policy", "save-variable", "make-token", "allow-access", "pause", "make-code"]) {
      expect(html).toContain(`name="change" value="${change}"`);
    }
    expect(html).toContain("<code>acme/</code>");
    expect(html).toContain("https://github.com/organizations/acme/settings/installations/7/permissions/update");
    expect(at.asked).toEqual([]);
  });

  it("are shown to people of the account without a form, and without the audit log", async () => {
    await open();
    const { status, html } = await at.get(SETTINGS, "ben");
    expect(status).toBe(200);
    expect(html).toContain("To change it takes an owner of <strong>acme</strong>");
    expect(html.match(/name="change"/g)).toBeNull();
    expect(html).not.toContain('<h2 id="audit">');
    expect(html).toContain("Pull requests only: <code>off</code>");
  });

  it("name no repository to people that their host keeps from them", async () => {
    await open();
    await at.store.allowAccess({ installation: SEVEN, repository: API, reads: LIB }, { kind: "operator" });
    at.hidden.add(LIB.id);
    const { html } = await at.get(SETTINGS, "ben");
    expect(html).toContain("acme/repository-1");
    expect(html).not.toContain("acme/repository-2");
    expect(html).toContain("One is allowed. Owners see which.");
    expect((await at.get(REPOSITORY, "ben")).html).not.toContain("acme/repository-2");
    expect((await at.get(REPOSITORY, "ann")).html).toContain("acme/repository-2");
    const landing = await at.get("/installations/github/default/7", "ben");
    expect(landing.html).not.toContain("acme/repository-2");
    expect((await at.get(`/installations/github/default/7/repositories/${LIB.id}`, "ben")).status).toBe(404);
  });

  it("are not there for others, for another installation's people, and for nobody that is signed in", async () => {
    await open();
    at.roles.set("ann", "owner");
    for (const [path, who] of [
      [SETTINGS, "eve"],
      ["/installations/github/default/8/settings", "ann"],
      ["/installations/github/default/99/settings", "ann"],
      ["/installations/gitlab/default/7/settings", "ann"],
    ] as const) {
      const { status, html } = await at.get(path, who);
      expect([path, status]).toEqual([path, 404]);
      // Neither says whether there is such an installation.
      expect(html).toContain(`There is nothing here for ${who}.`);
    }
    const stranger = await fetch(at.site.url + SETTINGS, { redirect: "manual", headers: browser });
    expect(stranger.status).toBe(303);
    expect(stranger.headers.get("location")).toContain("/auth/");
  });

  it("say that the host does not answer, and show nothing then", async () => {
    await open();
    const { status, html } = await at.get(SETTINGS, "sam");
    expect(status).toBe(503);
    expect(html).toContain("The host is away.");
    expect(html).not.toContain("acme/repository-1");
  });

  it.each([
    ["policy", { forks: "test" }],
    ["save-variable", { kind: "variable", name: "A", value: "b" }],
    ["remove-variable", { kind: "variable", name: "A" }],
    ["make-token", { name: "x", access: "pull", days: "1" }],
    ["revoke-token", { token: "x" }],
    ["make-api-token", { name: "x", role: "read", days: "1" }],
    ["revoke-api-token", { token: "x" }],
    ["add-notification", { address: "a@b", failed: "on" }],
    ["remove-notification", { notification: "x" }],
    ["test-notification", { notification: "x" }],
    ["allow-access", { repository_id: "1", reads: "2" }],
    ["disallow-access", { repository_id: "1", reads: "2" }],
    ["pause", {}],
    ["resume", {}],
    ["preview", {}],
    ["make-code", {}],
    ["enter-code", { namespace: "acme", code: "x" }],
  ])("take %s from owners only", async (change, fields) => {
    await open();
    const before = await actions();
    expect((await at.send(SETTINGS, { change, ...fields }, "ben")).status).toBe(403);
    expect((await at.send(SETTINGS, { change, ...fields }, "eve")).status).toBe(404);
    expect((await at.send(SETTINGS, { change, ...fields }, "sam")).status).toBe(503);
    expect(await actions()).toEqual(before);
    at.asked.length = 0;
    await at.send(SETTINGS, { change, ...fields }, "ann");
    const needed = at.asked.map(({ action }) => action).find((action) => action !== "account.see") ?? "account.see";
    expect(ACTIONS[needed as keyof typeof ACTIONS].least).toBe("owner");
  });

  it("take no form of another site, and none of a kind nobody knows", async () => {
    await open();
    for (const token of ["", "x".repeat(43)]) {
      expect((await at.send(SETTINGS, { change: "pause", form_token: token }, "ann")).status).toBe(403);
    }
    for (const change of ["", "constructor", "__proto__", "drop"]) {
      expect((await at.send(SETTINGS, { change }, "ann")).status).toBe(400);
    }
    expect(await at.store.pausesOf({ installation: SEVEN })).toEqual([]);
  });
});

describe("the policy", () => {
  const POLICY = {
    change: "policy",
    forks: "never",
    "publish-pull-requests": "on",
    "only-pull-requests": "off",
    "zero-config": "on",
    brake: "7",
  };

  it("is changed as a whole, by whom the host calls an owner, and says so once", async () => {
    await open();
    const sent = await at.send(SETTINGS, POLICY, "ann");
    expect([sent.status, sent.location]).toEqual([303, `${SETTINGS}?done=policy-saved#policy`]);
    expect((await at.store.getInstallation(SEVEN))?.policy).toEqual({
      forks: "never",
      publishPullRequests: true,
      onlyPullRequests: false,
      zeroConfig: true,
      brake: 7,
    });
    expect((await actions())[0]).toBe("policy.changed ann");
    expect((await at.get(`${SETTINGS}?done=policy-saved`, "ann")).html).toContain("The policy is changed.");
  });

  it.each(["0", "1.5", "many", "10001"])(
    "is not changed by a brake of %s, which is shown again with what is wrong",
    async (brake) => {
      await open();
      const { status, html } = await at.send(SETTINGS, { ...POLICY, brake }, "ann");
      expect(status).toBe(422);
      expect(html).toContain("Brake can not be");
      expect(html).toContain(`value="${brake}"`);
      expect(html).toContain("<option selected>never</option>");
      expect((await at.store.getInstallation(SEVEN))?.policy.forks).toBe("approve");
    },
  );

  it("says nothing that an address made up", async () => {
    await open();
    for (const done of ["<b>evil", "toString", "constructor"]) {
      const { html } = await at.get(`${SETTINGS}?done=${encodeURIComponent(done)}`);
      expect(html).not.toContain('class="box done"');
      expect(html).not.toContain("evil");
    }
  });
});

describe("variables and secrets", () => {
  it("are set and removed for all repositories, or for one; line ends are those that were pasted", async () => {
    await open();
    const secret = { change: "save-variable", kind: "secret", name: "key", value: "line one\r\nline two\r\n" };
    expect((await at.send(SETTINGS, secret, "ann")).status).toBe(303);
    const variable = { change: "save-variable", kind: "variable", name: "LEVEL", value: "debug" };
    const sent = await at.send(REPOSITORY, variable, "ann");
    expect([sent.status, sent.location]).toEqual([303, `${REPOSITORY}?done=variable-saved#variables`]);
    expect(await at.store.variablesOf(SEVEN, API)).toEqual({
      installation: { variables: {}, secrets: { key: "line one\nline two\n" } },
      repository: { variables: { LEVEL: "debug" }, secrets: {} },
    });
    const { html } = await at.get(REPOSITORY, "ann");
    expect(html).toContain("LEVEL");
    expect(html).toContain("Also given, from the settings of acme");
    await at.send(SETTINGS, { change: "remove-variable", kind: "secret", name: "key" }, "ann");
    expect((await at.store.listVariables({ installation: SEVEN, repository: null })).length).toBe(0);
    expect((await actions()).slice(0, 3)).toEqual(["variable.removed ann", "variable.saved ann", "variable.saved ann"]);
  });

  it("show no secret, neither later nor where it was refused", async () => {
    await open();
    const value = "s3cr3t-value-nobody-shall-see";
    await at.send(SETTINGS, { change: "save-variable", kind: "secret", name: "good", value }, "ann");
    const refused = await at.send(
      SETTINGS,
      { change: "save-variable", kind: "secret", name: "bad name", value },
      "ann",
    );
    expect(refused.status).toBe(422);
    expect(refused.html).toContain("The name of a secret is");
    expect(refused.html).toContain('value="bad name"');
    for (const html of [refused.html, (await at.get(SETTINGS, "ann")).html, (await at.get(SETTINGS)).html]) {
      expect(html).not.toContain(value);
    }
  });

  it("hold the largest secret there may be, and refuse more", async () => {
    await open();
    const value = "é".repeat(16 * 1024);
    const secret = { change: "save-variable", kind: "secret", name: "large", value };
    expect((await at.send(SETTINGS, secret, "ann")).status).toBe(303);
    const larger = { ...secret, value: `${value}x` };
    expect((await at.send(SETTINGS, larger, "ann")).status).toBe(422);
    expect((await at.send(SETTINGS, { ...secret, value: "é".repeat(64 * 1024) }, "ann")).status).toBe(413);
  });

  it("escape what somebody called a value", async () => {
    await open();
    const value = '</textarea><script src="https://evil.example"></script>';
    await at.send(SETTINGS, { change: "save-variable", kind: "variable", name: "X", value }, "ann");
    expect((await at.get(SETTINGS)).html).not.toContain('<script src="https://evil');
  });
});

describe("access tokens", () => {
  it("are shown once, to whoever made them, and revoked", async () => {
    await open();
    const made = await at.send(SETTINGS, { change: "make-token", name: "cluster", access: "pull", days: "30" }, "ann");
    expect(made.status).toBe(200);
    const [secret] = /whf_[a-z2-7]{16}_[a-z2-7]{32}/.exec(made.html) ?? [];
    expect(secret).toBeDefined();
    expect(made.html).toContain("docker login registry.example.com --username acme --password-stdin");
    const later = (await at.get(SETTINGS, "ann")).html;
    expect(later).toContain("cluster");
    expect(later).not.toContain(secret);
    const [, id = ""] = /name="token" value="([^"]+)"/.exec(later) ?? [];
    expect((await at.send(SETTINGS, { change: "revoke-token", token: id }, "ann")).location).toContain("token-revoked");
    expect((await at.get(SETTINGS, "ann")).html).toContain("None works now.");
    expect((await actions()).slice(0, 2)).toEqual(["token.revoked ann", "token.made ann"]);
  });

  it.each([
    ["no name", { name: "", days: "30" }],
    ["no number of days", { name: "x", days: "soon" }],
    ["too many days", { name: "x", days: "367" }],
    ["an access there is not", { name: "x", days: "30", access: "admin" }],
  ])("are not made with %s", async (_, fields) => {
    await open();
    const sent = await at.send(SETTINGS, { change: "make-token", access: "pull", ...fields }, "ann");
    expect(sent.status).toBe(422);
    expect(sent.html).not.toContain("whf_");
  });

  it("of another account that shares the namespace are neither shown nor revoked", async () => {
    await open();
    const { code } = await shareWith();
    await at.store.redeemNamespaceCode({ ...code, by: { kind: "operator" } });
    const wish = { name: "theirs", access: "pull", days: "5", change: "make-token" };
    const eight = "/installations/github/default/8/settings";
    expect((await at.send(eight, wish)).status).toBe(200);
    const { items } = await at.store.listAccessTokens({ namespace: "acme", limit: 10, cursor: null });
    expect(items).toHaveLength(1);
    expect((await at.get(SETTINGS, "ann")).html).not.toContain("theirs");
    const sent = await at.send(SETTINGS, { change: "revoke-token", token: items[0]?.id ?? "" }, "ann");
    expect(sent.status).toBe(422);
    expect(
      (await at.store.listAccessTokens({ namespace: "acme", limit: 10, cursor: null })).items[0]?.revokedAt,
    ).toBeNull();
  });
});

/** A code of acme's, and what the other account redeems it with. */
async function shareWith() {
  const { createHash } = await import("node:crypto");
  const shown = await at.send(SETTINGS, { change: "make-code" }, "ann");
  const [text = ""] = /[0-9A-Z]{5}(?:-[0-9A-Z]{5}){3}/.exec(shown.html) ?? [];
  const hash = createHash("sha256").update(text.replaceAll("-", "")).digest("hex");
  const other = { ...ACME, id: "18", login: "other" };
  return { text, code: { namespace: "acme", hash, account: other, login: "other" } };
}

describe("notifications", () => {
  const SECRET = "https://hooks.example/T0/very-secret";
  const add = (fields: Readonly<Record<string, string>>) =>
    at.send(SETTINGS, { change: "add-notification", failed: "on", ...fields }, "ann");

  async function idOf(shown: string): Promise<string> {
    const found = (await at.store.listTargets(SEVEN)).find((one) => one.shown === shown);
    return found?.id ?? "";
  }

  it("are added, tried and removed, and no page has the address of a webhook", async () => {
    await open();
    expect((await add({ address: "team@acme.example", fixed: "on" })).location).toContain("notification-added");
    expect((await add({ address: SECRET })).location).toContain("notification-added");
    const { html } = await at.get(SETTINGS, "ann");
    const [, section = ""] = html.split('<h2 id="notifications">');
    expect(section).toContain("<strong>team@acme.example</strong>");
    expect(section).toContain("failed and fixed");
    expect(section).toContain("<strong>hooks.example</strong>");
    expect(html).not.toContain("very-secret");
    const notification = await idOf("hooks.example");
    const tested = await at.send(SETTINGS, { change: "test-notification", notification }, "ann");
    expect(tested.location).toContain("notification-tested");
    const removed = await at.send(SETTINGS, { change: "remove-notification", notification }, "ann");
    expect(removed.location).toContain("notification-removed");
    expect(await at.store.listTargets(SEVEN)).toMatchObject([{ shown: "team@acme.example" }]);
    expect((await actions()).slice(0, 3)).toEqual([
      "notification.removed ann",
      "notification.added ann",
      "notification.added ann",
    ]);
  });

  it("say what is wrong with an address, and repeat it only where it is no secret", async () => {
    await open();
    const mail = await add({ address: "team at acme" });
    expect([mail.status, mail.html]).toEqual([422, expect.stringContaining('value="team at acme"')]);
    const hook = await add({ address: SECRET.replace("https", "http") });
    expect(hook.status).toBe(422);
    expect(hook.html).toContain("That is no https:// address");
    expect(hook.html).not.toContain("very-secret");
    const none = await at.send(SETTINGS, { change: "add-notification", address: "team@acme.example" }, "ann");
    expect([none.status, none.html]).toEqual([422, expect.stringContaining("Say of what")]);
    expect(await at.store.listTargets(SEVEN)).toEqual([]);
  });

  it("say why a test was not taken", async () => {
    await open();
    await add({ address: "broken@acme.example" });
    const notification = await idOf("broken@acme.example");
    const tested = await at.send(SETTINGS, { change: "test-notification", notification }, "ann");
    expect([tested.status, tested.html]).toEqual([422, expect.stringContaining("It answered 404.")]);
    const gone = await at.send(SETTINGS, { change: "test-notification", notification: "x" }, "ann");
    expect(gone.status).toBe(422);
  });

  it("keep addresses from people who are not owners", async () => {
    await open();
    await add({ address: "team@acme.example" });
    const { html } = await at.get(SETTINGS, "ben");
    expect(html).not.toContain("team@acme.example");
    expect(html).not.toContain('id="notifications"');
  });
});

describe("a badge", () => {
  it("is on the page of its repository, with the token that a private one needs", async () => {
    await open();
    const { html } = await at.get(REPOSITORY, "ann");
    const found =
      /\[!\[wharfinger\]\(https:\/\/wharfinger\.example(\/badge\/github\/acme\/repository-1\.svg\?token=[\w-]{22})\)\]/;
    expect(found.exec(html)?.[1]).toBeDefined();
  });
});

describe("API tokens", () => {
  it("are shown once with their role, and revoked", async () => {
    await open();
    const made = await at.send(SETTINGS, { change: "make-api-token", name: "bot", role: "write", days: "30" }, "ann");
    expect(made.status).toBe(200);
    const [secret] = /wha_[a-z2-7]{16}_[a-z2-7]{32}/.exec(made.html) ?? [];
    expect(secret).toBeDefined();
    const { html } = await at.get(SETTINGS, "ann");
    expect(html).toContain("bot");
    expect(html).not.toContain(secret);
    const [, section = ""] = html.split('<h2 id="api-tokens">');
    const [, token = ""] = /name="token" value="([^"]+)"/.exec(section) ?? [];
    const revoked = await at.send(SETTINGS, { change: "revoke-api-token", token }, "ann");
    expect(revoked.location).toContain("api-token-revoked");
    expect((await actions())[0]).toMatch(/ ann$/);
  });

  it.each([{ name: "" }, { role: "operator" }, { days: "0" }])("are not made with %j", async (wrong) => {
    await open();
    const sent = await at.send(
      SETTINGS,
      { change: "make-api-token", name: "x", role: "read", days: "1", ...wrong },
      "ann",
    );
    expect(sent.status).toBe(422);
    expect(sent.html).not.toMatch(/wha_[a-z2-7]{16}_/);
  });
});

describe("a namespace", () => {
  it("is shared by a code, which the other account enters on its page", async () => {
    await open();
    const { text } = await shareWith();
    expect(text).toHaveLength(23);
    expect((await at.get(SETTINGS, "ann")).html).not.toContain(text);
    const eight = "/installations/github/default/8/settings";
    const wrong = await at.send(eight, { change: "enter-code", namespace: "acme", code: "AAAAA-AAAAA-AAAAA-AAAAA" });
    expect(wrong.status).toBe(422);
    expect(wrong.html).toContain("This code is wrong");
    expect(wrong.html).not.toContain("AAAAA-AAAAA");
    const joined = await at.send(eight, { change: "enter-code", namespace: "acme/", code: text.toLowerCase() });
    expect(joined.location).toContain("done=joined");
    expect((await at.get(SETTINGS, "ann")).html).toContain("<dt>Shared with</dt><dd>other</dd>");
  });
});

describe("further repositories", () => {
  it("are allowed and taken back", async () => {
    await open();
    const access = { repository_id: API.id, reads: LIB.id };
    expect((await at.send(SETTINGS, { change: "allow-access", ...access }, "ann")).location).toContain(
      "access-allowed",
    );
    const { html } = await at.get(SETTINGS, "ann");
    expect(html).toContain("Builds of <strong>acme/repository-1</strong> read <strong>acme/repository-2</strong>");
    await at.send(SETTINGS, { change: "disallow-access", ...access }, "ann");
    expect((await at.store.listAccess({ installation: SEVEN, limit: 9, cursor: null })).items).toEqual([]);
  });

  it.each([
    ["itself", { repository_id: "1", reads: "1" }],
    ["nothing", { repository_id: "1", reads: "" }],
    ["one that is not covered", { repository_id: "1", reads: "99" }],
  ])("are not %s", async (_, access) => {
    await open();
    expect((await at.send(SETTINGS, { change: "allow-access", ...access }, "ann")).status).toBe(422);
  });
});

describe("pausing", () => {
  it("of an installation and of one repository is begun and ended by owners", async () => {
    await open();
    expect((await at.send(SETTINGS, { change: "pause", stop: "on" }, "ann")).location).toContain("done=paused");
    expect(await at.store.pausesOf({ installation: SEVEN })).toMatchObject([{ kind: "installation", stops: true }]);
    expect((await at.send(REPOSITORY, { change: "pause" }, "ann")).status).toBe(303);
    // The narrower one ends, and the wider one stays.
    expect((await at.send(REPOSITORY, { change: "resume" }, "ann")).location).toContain("still-paused");
    const { html } = await at.get(SETTINGS, "ben");
    expect(html).toContain("are paused since");
    expect((await at.send(SETTINGS, { change: "resume" }, "ann")).location).toContain("done=resumed");
    expect(await at.store.pausesOf({ installation: SEVEN, repository: API })).toEqual([]);
    expect((await actions()).slice(0, 4)).toEqual([
      "installation.resumed ann",
      "repository.resumed ann",
      "repository.paused ann",
      "installation.paused ann",
    ]);
  });

  it("shows what would be built before it ends", async () => {
    const lane = { repository: API, lane: "refs/heads/main", sha: null, delivery: "1" };
    await open({
      preview: async () => ({
        ...{ queued: 2, running: 1, further: 3 },
        lanes: [{ lane, answer: { kind: "unknown", why: "the host asked us to wait" } }],
      }),
    });
    await at.send(SETTINGS, { change: "pause" }, "ann");
    const { status, html } = await at.send(SETTINGS, { change: "preview" }, "ann");
    expect(status).toBe(200);
    for (const text of ["1 run, 2 wait", "<code>main</code>", "Not known: the host asked us to wait.", "3 more"]) {
      expect(html).toContain(text);
    }
    expect(await at.store.pausesOf({ installation: SEVEN })).toHaveLength(1);
  });
});

describe("settings of a repository", () => {
  const FILE = `version: 1
pull_requests: { forks: test }
images:
  - rules:
      - branch: main
        tags: [latest]
      - pull_request: main
        push: true
  - name: worker
    context: worker
    rules:
      - semver: "*"
`;
  const survey = () => surveyed({ defaultBranch: "main", hasFile: true, dockerfiles: [] });
  const read = async () => ok({ kind: "read", parsed: parseRepoConfig(FILE, { repositoryName: "api" }) } as const);

  it("show its rules as the planner reads them, narrowed by the policy, and where to change them", async () => {
    await open({ survey, settings: { rules: read } });
    const { status, html } = await at.get(REPOSITORY, "ben");
    expect(status).toBe(200);
    for (const text of [
      "acme/api",
      "branch main",
      "pull requests into main",
      "not published: the policy does not let pull requests",
      "acme/worker",
      "worker/Dockerfile",
      "versions *",
      "<code>approve</code>",
      "https://github.test/acme/repository-1/edit/main/.wharfinger.yml",
    ]) {
      expect(html).toContain(text);
    }
  });

  it("name what is wrong with the file, and say what is not known", async () => {
    const parsed = parseRepoConfig("version: 1\nimages: 7\n", { repositoryName: "api" });
    await open({ survey, settings: { rules: async () => ok({ kind: "read", parsed }) } });
    expect((await at.get(REPOSITORY, "ben")).html).toContain("line 2:");
    await at.close();
    await open({ survey, settings: { rules: async () => failed("GitHub did not answer", { retryable: true }) } });
    expect((await at.get(REPOSITORY, "ben")).html).toContain("Not known now: GitHub did not answer.");
  });

  it("suggest a file where there is none", async () => {
    await open({ survey: () => surveyed({ defaultBranch: "main", hasFile: false, dockerfiles: ["Dockerfile"] }) });
    const { html } = await at.get(REPOSITORY, "ben");
    expect(html).toContain("A file that builds it");
  });

  it("are there for who may see builds of it only", async () => {
    await open();
    expect((await at.get(REPOSITORY, "eve")).status).toBe(404);
    expect((await at.get(REPOSITORY.replace(/1$/, "99"), "ben")).status).toBe(404);
  });
});

describe("trying and building", () => {
  const trial: Trial = {
    repository: API,
    ref: "refs/tags/v1.2.3",
    sha: null,
    hasFile: true,
    plan: {
      requests: [],
      held: [],
      skips: [
        { ref: null, sha: null, image: "api", rule: null, reason: "no-match", detail: "No rule <b>matches</b>." },
      ],
      diagnostics: [],
      trace: [],
    },
  };

  function parts(asked: unknown[]) {
    const trials: Trials = {
      ofRef: async (repository, ref) => {
        asked.push([repository.id, ref]);
        return failed("there is no branch or tag of this name", { retryable: false });
      },
      ofName: async (repository, kind, name) => {
        asked.push([repository.id, kind, name]);
        return ok(trial);
      },
    };
    const builds: NonNullable<SettingsParts["builds"]> = {
      start: async ({ repository, ref, image }, by) => {
        asked.push([repository.id, ref, image, by.kind]);
        return ref === "gone" ? { kind: "no-ref", why: "There is no such ref." } : { kind: "started", delivery: "77" };
      },
    };
    return { settings: { trials, builds } };
  }

  it("shows the plan of a name that was pasted, to who may see builds", async () => {
    const asked: unknown[] = [];
    await open(parts(asked));
    const sent = await at.send(REPOSITORY, { change: "try", kind: "tag", name: " v1.2.3 " }, "ben");
    expect(sent.status).toBe(200);
    expect(asked).toEqual([["1", "tag", "v1.2.3"]]);
    expect(sent.html).toContain("builds nothing");
    expect(sent.html).toContain("No rule &lt;b&gt;matches&lt;/b&gt;.");
    expect(sent.html).toContain('value="v1.2.3"');
  });

  it("says what is wrong with a ref, and asks nothing for none", async () => {
    const asked: unknown[] = [];
    await open(parts(asked));
    const unknown = await at.send(REPOSITORY, { change: "try", kind: "ref", name: "nope" }, "ben");
    expect([unknown.status, unknown.html.includes("There is no branch or tag of this name.")]).toEqual([422, true]);
    expect((await at.send(REPOSITORY, { change: "try", kind: "ref", name: "" }, "ben")).status).toBe(422);
    expect((await at.send(REPOSITORY, { change: "try", kind: "tag", name: "x".repeat(256) }, "ben")).status).toBe(422);
    expect(asked).toHaveLength(1);
  });

  it("builds now for who may push, and leads to what was ordered", async () => {
    const asked: unknown[] = [];
    await open(parts(asked));
    at.roles.set("wim", "write");
    expect((await at.send(REPOSITORY, { change: "build" }, "ben")).status).toBe(403);
    expect((await at.send(SETTINGS, { change: "build" }, "ann")).status).toBe(400);
    expect(asked).toEqual([]);
    const sent = await at.send(REPOSITORY, { change: "build", ref: "" }, "wim");
    expect([sent.status, sent.location]).toEqual([303, "/deliveries/77?follow=yes"]);
    expect(asked).toEqual([["1", null, null, "person"]]);
    const gone = await at.send(REPOSITORY, { change: "build", ref: "gone" }, "wim");
    expect([gone.status, gone.html.includes("There is no such ref.")]).toEqual([422, true]);
    expect((await at.get(REPOSITORY, "ben")).html).not.toContain('value="build"');
    expect((await at.get(REPOSITORY, "wim")).html).toContain('value="build"');
  });
});

describe("the landing page", () => {
  const LANDING = "/installations/github/default/7";
  const builds: NonNullable<SettingsParts["builds"]> = { start: () => Promise.reject(new Error("not asked")) };
  const file = "version: 1\nimages:\n  - rules:\n      - branch: main\n        tags: [edge]\n";
  const rules = async () => ok({ kind: "read", parsed: parseRepoConfig(file, { repositoryName: "api" }) } as const);

  it("tells people of the account what a push builds, and has a button for who may start it", async () => {
    const survey = () => surveyed({ defaultBranch: "main", hasFile: true, dockerfiles: ["Dockerfile"] });
    await open({ survey, settings: { rules, builds } });
    const { status, html } = await at.get(LANDING, "ben");
    expect(status).toBe(200);
    expect(html).toContain("<strong>acme/api</strong>");
    expect(html).toContain('<code class="chip">edge</code>');
    expect(html).not.toContain("Build now");
    at.roles.set("wim", "write");
    expect((await at.get(LANDING, "wim")).html).toContain("Build now");
  });

  it("lists people their own installations only, and says what a host did not say", async () => {
    await open();
    expect((await at.get("/installations", "ben")).html).toContain(LANDING);
    expect((await at.get("/installations", "ben")).html).not.toContain("/installations/github/default/8");
    expect((await at.get("/installations", "eve")).html).not.toContain(LANDING);
    const silent = (await at.get("/installations", "sam")).html;
    expect(silent).toContain("The host is away.");
    expect(silent).not.toContain("No installations yet");
    expect((await at.get("/installations")).html).toContain("/installations/github/default/8");
    expect((await at.get(LANDING, "eve")).status).toBe(404);
  });
});
