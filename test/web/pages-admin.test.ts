import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { AuditEntry } from "../../src/core/audit.ts";
import { hostKey } from "../../src/core/model.ts";
import { change, delivery, record, recordCovered, repository, request } from "../contract/store.samples.ts";
import { type AdminWorld, OPERATOR, openAdmin } from "./admin-world.ts";
import { EIGHT, OTHER, SEVEN } from "./settings-world.ts";

let world: AdminWorld;
beforeEach(async () => {
  world = await openAdmin();
});
afterEach(() => world.close());

const PAGES = [
  "/admin",
  "/admin/claims",
  "/admin/installations",
  "/admin/registries",
  "/admin/registries/hub",
  "/admin/queue",
  "/admin/connections",
  "/admin/audit",
  "/admin/audit.jsonl",
  "/admin/pause",
  "/admin/installations/github/default/7/pause",
];

const FORMS = [
  "/admin/claims/1/approve",
  "/admin/claims/1/refuse",
  "/admin/registries",
  "/admin/registries/hub",
  "/admin/pause",
  "/admin/installations/github/default/7/pause",
];

let counter = 0;

async function queue(installation = SEVEN): Promise<string> {
  counter += 1;
  const { store } = world;
  await store.append([delivery(`admin-${counter}`, { installationId: installation.id })]);
  const moved = change(null, `admin-${counter}`, `refs/heads/b${counter}`);
  const covered = { installation, repository: repository(installation.id) };
  const id = (await store.findDelivery(`admin-${counter}`))?.id ?? "";
  const [built] = await recordCovered(store, id, record([moved], [request(moved)], covered));
  return built?.id ?? "";
}

/** EIGHT's account asks for a namespace. */
async function claim(reason: "confirmation" | "owned" = "confirmation", namespace = "other"): Promise<string> {
  const asking = { installation: EIGHT, account: OTHER, wanted: namespace, registry: "default" };
  const why = "<b>the operator</b> has not confirmed it";
  await world.store.settleClaim(asking, () => ({ kind: "wait", namespace, reason, why }));
  const { items } = await world.store.listClaims({ limit: 1, cursor: null, waiting: true });
  return items[0]?.id ?? "";
}

async function audited(): Promise<readonly Pick<AuditEntry, "action" | "subject" | "by">[]> {
  const { items } = await world.store.listAudit({ limit: 100, cursor: null });
  return items.map(({ action, subject, by }) => ({ action, subject, by }));
}

describe("pages of the instance", () => {
  it("show operators each, and nobody else that there is something", async () => {
    world.roles.set("ann", "owner");
    for (const path of PAGES) {
      expect([path, (await world.get(path)).status]).toEqual([path, 200]);
      const { status, html } = await world.get(path, "ann");
      expect([path, status]).toEqual([path, 404]);
      expect(html).toContain("There is nothing here for ann.");
      expect(html).not.toContain("/admin");
      const stranger = await fetch(world.site.url + path, { redirect: "manual" });
      expect(stranger.headers.get("location")).toBe(`/auth/sign-in?next=${encodeURIComponent(path)}`);
    }
  });

  it("take nothing of people, nor what does not come from the page itself", async () => {
    world.roles.set("ann", "owner");
    await claim();
    const before = await audited();
    for (const path of FORMS) {
      for (const change of ["pause", "remove"]) {
        const answers = [
          await world.send(path, { change, name: "n" }, "ann"),
          await world.send(path, { change, name: "n", form_token: "another" }),
        ];
        expect([path, ...answers.map(({ status }) => status)]).toEqual([path, 404, 403]);
      }
    }
    expect(await audited()).toEqual(before);
    expect(world.desk.told).toEqual([]);
  });

  it("lead operators there from every page, and people nowhere", async () => {
    expect((await world.get("/")).html).toContain('<a href="/admin">Admin</a>');
    expect((await world.get("/", "ann")).html).not.toContain("/admin");
  });
});

describe("the overview", () => {
  it("says what waits for the operator, what fails, and what is paused", async () => {
    await claim();
    const failed = await queue();
    const claimed = await world.store.claimBuild({ worker: "w", leaseMs: 1_000 });
    const failure = { class: "dockerfile", message: "no such file" } as const;
    await world.store.finishBuild(failed, claimed?.attempt ?? 0, { state: "failed", digest: null, failure, steps: [] });
    await queue();
    await world.store.pause({ kind: "installation", id: SEVEN }, { by: OPERATOR, stop: false });
    const { html } = await world.get("/admin");
    expect(html).toContain("<strong>other</strong> asks for <code>other/</code>");
    expect(html).toContain("&lt;b&gt;the operator&lt;/b&gt;");
    expect(html).toMatch(/dockerfile<\/a><\/td><td class="took">1 /);
    expect(html).toMatch(/<dt>Builds queued, the oldest for 0\.0 s<\/dt><dd><a href="\/admin\/queue">1</);
    expect(html).toContain('<a href="/admin/installations/github/default/7/pause"><strong>');
    expect(html).toContain("Builds of this installation are paused");
  });

  it("counts failures of a day and of a week apart", async () => {
    for (const wait of [30, 0]) {
      const id = await queue();
      const claimed = await world.store.claimBuild({ worker: "w", leaseMs: 1_000 });
      const failure = { class: "push", message: "denied" } as const;
      await world.store.finishBuild(id, claimed?.attempt ?? 0, { state: "failed", digest: null, failure, steps: [] });
      world.clock.advance(wait * 60 * 60_000);
    }
    const { html } = await world.get("/admin");
    expect(html).toMatch(/push<\/a><\/td><td class="took">1 .*?<td class="took">2 /);
  });
});

describe("the queue", () => {
  it("says what runs where, until when its lease holds, and which builder is gone", async () => {
    await queue();
    await queue(EIGHT);
    await queue();
    await world.store.claimBuild({ worker: "host-1:17", leaseMs: 15_000 });
    world.clock.advance(20_000);
    await world.store.claimBuild({ worker: "host-2:18", leaseMs: 15_000 });
    world.builders = { here: null, asked: [{ address: "203.0.113.7", at: "2026-11-20T10:00:15.000Z" }] };
    const { html } = await world.get("/admin/queue");
    expect(html).toContain("<code>host-2:18</code>");
    expect(html).toMatch(/ends in 15 s/);
    expect(html).toContain("This process builds nothing itself.");
    expect(html).toContain("203.0.113.7");
    world.clock.advance(60_000);
    expect((await world.get("/admin/queue")).html).toContain("over for 45 s");
  });
});

describe("claims", () => {
  it("are approved by the desk, which writes down who did", async () => {
    const id = await claim();
    expect((await world.get("/admin/claims")).html).toContain(`action="/admin/claims/${id}/approve"`);
    const approved = await world.send(`/admin/claims/${id}/approve`, { as: "" });
    expect([approved.status, approved.location]).toEqual([303, "/admin/claims?done=approved"]);
    expect((await world.store.getInstallation(EIGHT))?.namespace).toBe("other");
    expect((await audited())[0]).toEqual({ action: "namespace.granted", subject: "other", by: OPERATOR });
    const { html } = await world.get("/admin/claims?done=approved");
    expect(html).toContain("Approved.");
    expect(html).toContain("Nobody waits.");
    expect((await world.get("/admin/claims?all=true")).html).toContain("by the operator");
  });

  it("are refused for good", async () => {
    const id = await claim();
    expect((await world.send(`/admin/claims/${id}/refuse`, {})).location).toBe("/admin/claims?done=refused");
    expect((await audited())[0]).toMatchObject({ action: "claim.refused" });
  });

  it("that can not be approved say why in the desk's words, and keep what was typed", async () => {
    const id = await claim("owned", "acme");
    const { status, html } = await world.send(`/admin/claims/${id}/approve`, { as: "acme", anyway: "on" });
    expect(status).toBe(409);
    expect(html).toContain('role="alert"');
    expect(html).toContain("one-time code");
    expect(html).toMatch(/name="as" value="acme"/);
    expect(html).toMatch(/name="anyway" checked/);
    expect((await world.store.getInstallation(EIGHT))?.namespace).toBeNull();
    const shared = await world.send(`/admin/claims/${id}/approve`, { as: "", share: "on" });
    expect(shared.status).toBe(303);
    expect((await world.store.getInstallation(EIGHT))?.namespace).toBe("acme");
  });

  it("that somebody else has decided meanwhile say so", async () => {
    const id = await claim();
    await world.send(`/admin/claims/${id}/refuse`, {});
    const { status, html } = await world.send(`/admin/claims/${id}/approve`, {});
    expect(status).toBe(404);
    expect(html).toContain("There is no such claim, or it does not wait any more.");
  });
});

describe("installations", () => {
  it("are found by a part of the account's name, whatever is typed", async () => {
    const all = (await world.get("/admin/installations")).html;
    expect(all).toContain("github:default:7");
    expect(all).toContain("github:default:8");
    const found = (await world.get("/admin/installations?login=OTH")).html;
    expect(found).not.toContain("github:default:7<");
    expect(found).toContain("github:default:8");
    const none = (await world.get('/admin/installations?login="><script>%25')).html;
    expect(none).toContain("name holds “&quot;&gt;&lt;script&gt;%”");
    expect(none).not.toContain("<script>%");
  });
});

describe("the kill switch", () => {
  it("pauses the instance, and stops what runs where that was asked for", async () => {
    await queue();
    await world.store.claimBuild({ worker: "w", leaseMs: 60_000 });
    const { html } = await world.get("/admin/pause");
    expect(html).toContain("Stop what is running, too (1)");
    const paused = await world.send("/admin/pause", { change: "pause", stop: "on" });
    expect(paused.location).toBe("/admin/pause?done=paused&stopped=1");
    expect(await world.store.listPauses()).toEqual([
      expect.objectContaining({ kind: "instance", by: OPERATOR, stops: true }),
    ]);
    expect((await world.get("/admin/pause?done=paused&stopped=1")).html).toContain("and 1 running stopped");
  });

  it("resumes it, and says what would be built before, where somebody asks", async () => {
    let asked = 0;
    const lane = { repository: repository("1"), lane: "refs/heads/main", sha: null, delivery: "1" };
    await world.close();
    world = await openAdmin({
      preview: async () => {
        asked += 1;
        return {
          queued: 0,
          running: 0,
          further: 2,
          lanes: [{ lane, answer: { kind: "unknown", why: "<i>away</i>" } }],
        };
      },
    });
    await world.send("/admin/pause", { change: "pause" });
    const { html } = await world.get("/admin/pause");
    expect(html).toContain("Builds of this whole instance are paused");
    // Hosts are not asked by who only looks.
    expect(asked).toBe(0);
    const preview = (await world.get("/admin/pause?preview=yes")).html;
    expect(asked).toBe(1);
    expect(preview).toContain("Not known: &lt;i&gt;away&lt;/i&gt;");
    expect(preview).toContain("And 2 more, which nobody looked at.");
    const resumed = await world.send("/admin/pause", { change: "resume" });
    expect(resumed.location).toBe("/admin/pause?done=resumed&planned=0&lost=0");
    expect(await world.store.listPauses()).toEqual([]);
    expect((await audited()).slice(0, 2).map(({ action }) => action)).toEqual(["instance.resumed", "instance.paused"]);
  });

  it("is there for one installation, too, and for none that nobody knows", async () => {
    const path = "/admin/installations/github/default/7/pause";
    expect((await world.send(path, { change: "pause" })).status).toBe(303);
    expect((await world.store.getInstallation(SEVEN))?.state).toBe("paused");
    expect((await world.store.getInstallation(EIGHT))?.state).toBe("active");
    await world.send("/admin/pause", { change: "pause" });
    expect((await world.get(path)).html).toContain("As long as that lasts nothing of acme is built either.");
    expect((await world.get("/admin/installations/github/default/99/pause")).status).toBe(404);
    expect((await world.send("/admin/installations/elsewhere/default/7/pause", { change: "pause" })).status).toBe(404);
  });
});

describe("registries", () => {
  const HUB = "/admin/registries/hub";
  const CREDENTIAL = { change: "credential", namespace: "acme", username: "bot", password: "hunter2-hunter2" };

  it("are added as the desk takes them, with what opens them", async () => {
    const fields = {
      name: "quay",
      url: "https://quay.io",
      kind: "basic",
      staging: "",
      namespaces: "team-{account}",
      accounts: "github:default, bitbucket:default",
      username: "bot",
      password: "hunter2-hunter2",
    };
    const added = await world.send("/admin/registries", fields);
    expect(added.location).toBe("/admin/registries/quay?done=save");
    const given = {
      url: "https://quay.io",
      kind: "basic",
      namespaces: "team-{account}",
      ca: null,
      insecure: false,
      accounts: ["github:default", "bitbucket:default"],
      tokenService: null,
    };
    expect(world.desk.told).toEqual([
      ["save", "quay", given, { username: "bot", password: "hunter2-hunter2" }, OPERATOR],
    ]);
  });

  it("that are there already are not overwritten by adding", async () => {
    const { status, html } = await world.send("/admin/registries", {
      name: "hub",
      url: "https://x.example",
      kind: "basic",
    });
    expect(status).toBe(409);
    expect(html).toContain("There is a registry hub already");
    expect(world.desk.told).toEqual([]);
  });

  it("that are refused say why in the registry's words, keep what was typed, and never a password", async () => {
    world.desk.refusal = { ok: false, kind: "refused", message: 'sign in as "bot": denied <b>. Make another token.' };
    const fields = {
      name: "quay",
      url: "https://quay.io",
      kind: "token",
      username: "bot",
      password: "hunter2-hunter2",
    };
    const added = await world.send("/admin/registries", fields);
    expect(added.status).toBe(422);
    expect(added.html).toContain("denied &lt;b&gt;");
    expect(added.html).toContain('value="https://quay.io"');
    expect(added.html).toMatch(/value="token" checked/);
    expect(added.html).not.toContain("hunter2");
    const changed = await world.send(HUB, CREDENTIAL);
    expect(changed.status).toBe(422);
    expect(changed.html).toContain('value="bot"');
    expect(changed.html).not.toContain("hunter2");
    expect(JSON.stringify(world.site.logged)).not.toContain("hunter2");
  });

  it("are tried, and say what works and what to do about the rest", async () => {
    const { status, html } = await world.send(HUB, { change: "test" });
    expect(status).toBe(200);
    expect(html).toContain("denied: &lt;b&gt;no&lt;/b&gt;");
    expect(html).toContain("Give it a token that may push.");
    expect(world.desk.told).toEqual([["test", "hub"]]);
  });

  it("get credentials of a namespace or of all, and lose them, and namespaces, and go", async () => {
    expect((await world.send(HUB, CREDENTIAL)).location).toBe(`${HUB}?done=credential`);
    await world.send(HUB, { ...CREDENTIAL, namespace: "" });
    await world.send(HUB, { change: "forget", namespace: "acme" });
    await world.send(HUB, { change: "use", namespace: "acme" });
    expect((await world.send(HUB, { change: "remove" })).location).toBe("/admin/registries?done=remove");
    const opens = { username: "bot", password: "hunter2-hunter2" };
    expect(world.desk.told).toEqual([
      ["credential", "hub", "acme", opens, OPERATOR],
      ["credential", "hub", null, opens, OPERATOR],
      ["forget", "hub", "acme", OPERATOR],
      ["use", "hub", "acme", OPERATOR],
      ["remove", "hub", OPERATOR],
    ]);
  });

  it("take no credential that is none, and no change nobody knows", async () => {
    for (const wrong of [
      { username: "" },
      { password: "" },
      { password: "two\nlines" },
      { username: "x".repeat(1_025) },
    ]) {
      expect((await world.send(HUB, { ...CREDENTIAL, ...wrong })).status).toBe(422);
    }
    expect((await world.send(HUB, { change: "explode" })).status).toBe(404);
    expect((await world.get("/admin/registries/none")).status).toBe(404);
    expect(world.desk.told).toEqual([]);
  });

  it("show the environment's as fixed", async () => {
    const { html } = await world.get("/admin/registries/default");
    expect(html).toContain("REGISTRY_URL");
    expect(html).not.toContain('value="remove"');
    expect(html).not.toContain('value="save"');
  });
});

describe("connections", () => {
  it("are listed without what opens them", async () => {
    const created = "2026-11-19T10:00:00.000Z";
    const of = { workspace: "{5d2b}", login: "harbour", createdAt: created };
    world.connections.push({ ...of, id: "7f3a", repository: null, ownHook: true, rotating: true });
    const { html } = await world.get("/admin/connections");
    expect(html).toContain('href="/installations/bitbucket/default/%7B5d2b%7D"');
    expect(html).toContain("wharfinger connect bitbucket --finish-rotation 7f3a");
  });
});

describe("the audit log", () => {
  const entry = (subject: string, more: Partial<AuditEntry> = {}): AuditEntry => {
    return { by: OPERATOR, action: "policy.changed", installation: SEVEN, subject, facts: {}, ...more };
  };

  beforeEach(async () => {
    const actor = { id: "5", login: "<b>ann</b>" };
    const by = { kind: "person", provider: "github", host: "default", actor } as const;
    await world.store.appendAudit(entry("one", { by, facts: { forks: "<script>" } }));
    await world.store.appendAudit(entry("two", { installation: EIGHT, action: "namespace.revoked" }));
    await world.store.appendAudit(entry("three", { installation: null, action: "instance.paused" }));
  });

  it("shows who changed what, whatever they are called", async () => {
    const { html } = await world.get("/admin/audit");
    expect(html).toContain("&lt;b&gt;ann&lt;/b&gt;");
    expect(html).toContain("github:default:5");
    expect(html).toContain("&lt;script&gt;");
    for (const subject of ["one", "two", "three"]) expect(html).toContain(`<strong>${subject}</strong>`);
  });

  it("shows what was asked for only, and says what is no filter", async () => {
    const { html } = await world.get(`/admin/audit?installation=${hostKey(EIGHT)}&action=namespace`);
    expect(html).toContain("<strong>two</strong>");
    expect(html).not.toContain("<strong>one</strong>");
    expect(html).toContain("/admin/audit.jsonl?installation=github%3Adefault%3A8&amp;action=namespace");
    expect((await world.get("/admin/audit?installation=7")).status).toBe(400);
    expect((await world.get("/admin/audit?action=%25")).status).toBe(400);
  });

  it("is downloaded whole, oldest first, a line each", async () => {
    for (let index = 0; index < 600; index += 1) await world.store.appendAudit(entry(`more-${index}`));
    const { status, html: text } = await world.get("/admin/audit.jsonl");
    expect(status).toBe(200);
    const lines = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { id: string; subject: string });
    const all = await world.store.auditAfter(null, { limit: 1_000 });
    expect(lines.map(({ id }) => id)).toEqual(all.map(({ id }) => id));
    expect(lines.length).toBeGreaterThan(600);
    const some = (await world.get("/admin/audit.jsonl?action=instance.paused")).html;
    expect(some.trimEnd().split("\n")).toHaveLength(1);
    expect(JSON.parse(some)).toMatchObject({ subject: "three", action: "instance.paused", installation: null });
  });
});
