import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "@jest/globals";
import type { Build } from "../../src/core/model.ts";
import type { Delivery } from "../../src/engine/store-port.ts";
import { aBuild, aDelivery, browser, DIGEST, openSite, repository, SHA, type Site, type World } from "./world.ts";

let site: Site | null = null;
afterEach(async () => {
  await site?.close();
  site = null;
});
async function open(changes: Partial<World> = {}): Promise<Site> {
  site = await openSite(changes);
  return site;
}
async function textOf(opened: Site, path: string): Promise<string> {
  const answer = await opened.page(path);
  expect(answer.status).toBe(200);
  return answer.text();
}

describe("the builds page", () => {
  it("shows each build's state in words, image, tags, repository, ref, commit, duration and age", async () => {
    const text = await textOf(await open(), "/");
    for (const part of [
      '<span class="pill succeeded">succeeded</span>',
      '<a class="main" href="/builds/b1">acme/api</a>',
      '<code class="chip">latest</code>',
      "<code>main</code>",
      `<code>${SHA.slice(0, 7)}</code>`,
      "1 min 24 s",
      ">10 min ago</time>",
    ]) {
      expect(text).toContain(part);
    }
  });

  it("says what to do while there is none", async () => {
    expect(await textOf(await open({ builds: [] }), "/")).toContain(".wharfinger.yml");
  });

  it("turns pages, keeping the limit", async () => {
    const builds = Array.from({ length: 5 }, (_, index) => aBuild({ id: `b${index}` }));
    const opened = await open({ builds });
    const first = await textOf(opened, "/?limit=2");
    expect(first).toContain('href="/?limit=2&amp;cursor=after-2"');
    expect(first).not.toContain("Newest");
    const last = await textOf(opened, "/?limit=2&cursor=after-4");
    expect(last).toContain('href="/?limit=2">← Newest');
    expect(last).not.toContain("Older");
    expect([...last.matchAll(/href="\/builds\/(b\d)"/g)].map((match) => match[1])).toEqual(["b4"]);
  });

  it("answers a cursor nobody gave out with 400 and what to do", async () => {
    const answer = await (await open()).page("/?cursor=garbage");
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining("Leave it out")]);
  });
});

describe("a build's page", () => {
  it("shows the digest, how to pull it, the steps, and the decision that caused it", async () => {
    const text = await textOf(await open(), "/builds/b1");
    expect(text).toContain(`docker pull registry.example.com/acme/api@${DIGEST}`);
    expect(text).toContain("The branch main is built as latest.");
    expect(text).toContain('href="/deliveries/1"');
    expect(text).toContain(`href="https://github.com/acme/api/commit/${SHA}"`);
    expect(text).toMatch(/checkout<\/span> <span class="muted">1\.0 s/);
  });

  it("shows what failed, what to do, and how to repeat it", async () => {
    const failure = { class: "build", message: "RUN make exited with 2.", line: 7 } as const;
    const text = await textOf(
      await open({ builds: [aBuild({ state: "failed", digest: null, failure })] }),
      "/builds/b1",
    );
    for (const part of ["Failed: build", "RUN make exited with 2.", "Dockerfile, line 7", "git checkout --detach"]) {
      expect(text).toContain(part);
    }
    expect(text).not.toContain("docker pull");
  });

  it("offers to reload while the build runs, and not afterwards", async () => {
    const running = aBuild({ state: "running", finishedAt: null, digest: null });
    const opened = await open({ builds: [running, aBuild({ id: "b2" })] });
    expect(await textOf(opened, "/builds/b1")).toContain(">Reload</a>");
    expect(await textOf(opened, "/builds/b2")).not.toContain(">Reload</a>");
  });

  it("shows a build whose delivery is past retention", async () => {
    expect(await textOf(await open({ deliveries: [] }), "/builds/b1")).toContain("images[0].rules[0]");
  });

  it("colours the log by classes alone", async () => {
    const text = await textOf(await open({ log: "\u001b[31mred\u001b[0m\n" }), "/builds/b1");
    expect(text).toContain('<span class="c1">red</span>');
    expect(text).not.toMatch(/style=/);
  });

  it("shows the end of a long log, from the start of a line, and says so", async () => {
    const log = Array.from({ length: 40_000 }, (_, index) => `line ${index} ü`).join("\n");
    const text = await textOf(await open({ log }), "/builds/b1");
    expect(text).toContain('<li id="L40000"><a href="#L40000">40000</a>line 39999 ü</li></ol>');
    expect(text).toContain("36000 lines before these are left out");
    expect(text).toContain('<ol class="lines" sse-swap="log" hx-swap="beforeend"><li id="L36001">');
    expect(text.length).toBeLessThan(300_000);
  });

  it("says how to build the same on one's own machine, whatever became of it", async () => {
    const text = await textOf(await open(), "/builds/b1");
    expect(text).toContain("<summary>Build it on your machine</summary>");
    expect(text).toContain("git clone -- https://");
    await site?.close();
    const running = { builds: [aBuild({ state: "running", finishedAt: null, digest: null })] };
    expect(await textOf(await open(running), "/builds/b1")).not.toContain("git clone");
  });

  it("answers 404 with a page that leads on", async () => {
    const answer = await (await open()).page("/builds/unknown");
    expect([answer.status, await answer.text()]).toEqual([404, expect.stringContaining("There is no such build.")]);
  });
});

describe("a delivery's page", () => {
  it("says why nothing was built, for each ref and image", async () => {
    const skip = { ref: "refs/heads/docs", sha: SHA, image: "api", rule: "images[0].rules[0]", build: null };
    const decisions = [{ ...skip, reason: "no-match", detail: "The branch docs matches no rule." }];
    const text = await textOf(await open({ deliveries: [aDelivery({ builds: [], decisions })] }), "/deliveries/1");
    for (const part of ["Why nothing was built", "no-match", "The branch docs matches no rule.", "<code>docs</code>"]) {
      expect(text).toContain(part);
    }
  });

  it("shows the builds it led to, with their state", async () => {
    const text = await textOf(await open(), "/deliveries/1");
    expect(text).toContain('<a href="/builds/b1"><span class="pill succeeded">succeeded</span></a>');
  });

  it("says why it was ignored", async () => {
    const delivery = aDelivery({
      outcome: "ignored",
      note: "A ping.",
      builds: [],
      decisions: [],
      repositoryName: null,
    });
    const opened = await open({ deliveries: [delivery] });
    expect(await textOf(opened, "/deliveries/1")).toContain("A ping.");
    expect(await textOf(opened, "/deliveries")).toContain("A ping.");
  });

  it("opens by the host's id too", async () => {
    expect((await (await open()).page("/deliveries/0b989ba4-242f-11e5-81e1-c7b6966d2516")).status).toBe(200);
  });
});

describe("a build whose tags something newer has", () => {
  it("says which were not moved, and why", async () => {
    const why = "It stays with refs/heads/main, which was pushed later.";
    const tags = { published: ["1.9.1"], older: [{ tag: "latest", why }] };
    const requestDigest = `sha256:${"d".repeat(64)}`;
    const opened = await open({ builds: [aBuild({ tags, requestDigest }, { tags: ["1.9.1", "latest"] })] });
    const text = await textOf(opened, "/builds/b1");
    expect(text).toContain('<code class="chip">latest</code> was not moved. It stays with refs/heads/main');
    expect(text).toContain(requestDigest);
  });

  it("has no word about it otherwise", async () => {
    expect(await textOf(await open(), "/builds/b1")).not.toContain("was not moved");
  });
});

const HOSTILE = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>\u202etxt.exe\u0000\u200b\u001b]0;t\u0007</pre>{{x}}<%= 1 %>`;

function hostileBuild(state: Build["state"] = "held", push = false): Build {
  const step = { name: HOSTILE, startedAt: "2026-11-20T11:50:00Z", finishedAt: null };
  return aBuild(
    {
      repository: { ...repository, fullName: HOSTILE, webUrl: `javascript:alert(1)//${HOSTILE}`, cloneUrl: HOSTILE },
      image: HOSTILE,
      digest: HOSTILE,
      requestDigest: HOSTILE,
      tags: { published: [HOSTILE], older: [{ tag: HOSTILE, why: HOSTILE }] },
      steps: [step],
      failure: { class: "build", message: HOSTILE, line: 1 },
      state,
      hold: { reason: "awaiting-approval", detail: HOSTILE },
      approval: state === "held" ? null : { actor: { id: HOSTILE, login: HOSTILE }, at: HOSTILE },
    },
    {
      push,
      trust: "untrusted",
      pull: { number: 5, target: HOSTILE, fork: true },
      tags: [HOSTILE],
      ref: `refs/heads/${HOSTILE}`,
      rules: [HOSTILE],
      inputs: {
        ...aBuild().planned.inputs,
        context: HOSTILE,
        dockerfile: HOSTILE,
        target: HOSTILE,
        buildArgs: { [HOSTILE]: HOSTILE },
        platforms: [HOSTILE],
      },
    },
  );
}

function hostileDelivery(): Delivery {
  const decision = { ref: HOSTILE, sha: SHA, image: HOSTILE, rule: HOSTILE, detail: HOSTILE };
  const traced = {
    ref: HOSTILE,
    image: HOSTILE,
    rule: HOSTILE,
    verdict: "skip",
    reason: "no-match",
    detail: HOSTILE,
  } as const;
  return aDelivery({
    host: HOSTILE,
    deliveryId: HOSTILE,
    event: HOSTILE,
    action: HOSTILE,
    repositoryName: HOSTILE,
    note: HOSTILE,
    decisions: [
      { ...decision, build: null, reason: HOSTILE },
      { ...decision, build: "b1", reason: null },
      { ...decision, build: HOSTILE, reason: null },
    ],
    trace: [
      { ...traced, facts: { [HOSTILE]: HOSTILE } },
      { ...traced, facts: { [HOSTILE]: HOSTILE.repeat(3) } },
    ],
  });
}

describe("text from repositories", () => {
  it.each<[string, Build["state"], boolean]>([
    ["/", "held", true],
    ["/builds/b1", "held", false],
    ["/builds/b1", "failed", true],
    ["/deliveries", "held", false],
    ["/deliveries/1", "held", false],
    ["/?limit=1", "failed", false],
  ])("is harmless everywhere on %s (%s)", async (path, state, push) => {
    const builds = [hostileBuild(state, push), hostileBuild(state, push)];
    const hostile = { builds, deliveries: [hostileDelivery(), hostileDelivery()] };
    const text = await textOf(await open({ ...hostile, log: HOSTILE }), path);
    expect(text).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
    expect(text).toContain("⟨U+202E⟩txt.exe");
    expect(text).not.toMatch(/<script(?! (?:type="module" )?src="\/assets\/)|<img src=x|href="javascript|<\/pre>\{/i);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
    expect(text).not.toMatch(/[\u0000\u0007\u001b\u200b\u202e]/);
    // No attribute was opened or left by what stands in it.
    expect(text.replace(/=(?:"[^"<>]*"|'[^'<>]*')/g, "")).not.toMatch(/onerror=[^a]|<[a-z]+[^<>]*"/);
  });

  it("leads to no other kind of address than web pages", async () => {
    const build = aBuild({ repository: { ...repository, webUrl: "data:text/html,x" } });
    expect(await textOf(await open({ builds: [build] }), "/builds/b1")).not.toContain("data:text");
  });
});

describe("every answer", () => {
  it.each(["/", "/builds/b1", "/auth/token", "/nothing", "/healthz", "/api/v1/builds", "/builds/b1/log"])(
    "%s carries the headers that keep browsers safe, and is not kept",
    async (path) => {
      const { headers } = await (await open()).page(path);
      expect(headers.get("content-security-policy")).toBe(
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
      );
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("cache-control")).toBe("no-store");
      expect(headers.get("x-powered-by")).toBeNull();
      expect(headers.get("strict-transport-security")).toBeNull();
    },
  );

  it("asks for HTTPS from then on when the public address is https", async () => {
    const { url } = await open({ publicUrl: "https://builds.example.com" });
    expect((await fetch(`${url}/healthz`)).headers.get("strict-transport-security")).toBe("max-age=31536000");
  });

  it("is a page for people and JSON for programs when there is nothing at an address", async () => {
    const { url } = await open();
    const page = await fetch(`${url}/nothing`, { headers: browser });
    expect([page.status, await page.text()]).toEqual([404, expect.stringContaining("Go to the builds")]);
    for (const answer of [await fetch(`${url}/nothing`), await fetch(`${url}/webhooks/x`, { headers: browser })]) {
      expect([answer.status, await answer.json()]).toMatchObject([404, { error: { code: "not-found" } }]);
    }
  });

  it("is 405 for other methods on pages", async () => {
    const { url } = await open();
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      const answer = await fetch(`${url}/builds/b1`, { method });
      expect([answer.status, answer.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    }
  });

  it("tells people nothing of what failed inside", async () => {
    const opened = await open();
    const cookie = await opened.signIn();
    await opened.close();
    const broken = await open({ broken: new Error("SQLITE_ERROR at /srv/data") });
    const answer = await broken.page("/");
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toMatch(/SQLITE|srv|\.ts:/);
    expect(broken.logged).toHaveLength(1);
    // A session of another process is worth nothing here.
    const foreign = await fetch(`${broken.url}/`, { redirect: "manual", headers: { ...browser, Cookie: cookie } });
    expect(foreign.status).toBe(303);
  });
});

describe("assets", () => {
  it("are named by their content and kept for good; the stylesheet stays small", async () => {
    const opened = await open();
    const page = await textOf(opened, "/");
    const style = /href="(\/assets\/style\.[0-9a-f]{12}\.css)"/.exec(page)?.[1] ?? "";
    const answer = await fetch(opened.url + style);
    expect(answer.headers.get("content-type")).toBe("text/css; charset=utf-8");
    expect(answer.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(gzipSync(await answer.arrayBuffer()).length).toBeLessThan(12_000);
  });

  it.each(["style.css", "style.000000000000.css", "..%2fbuilds.eta", "%2e%2e%2f%2e%2e%2fpackage.json", "__proto__"])(
    "are nothing else: %s",
    async (name) => {
      const { url } = await open();
      expect((await fetch(`${url}/assets/${name}`)).status).toBe(404);
    },
  );
});
