import { afterEach, describe, expect, it } from "@jest/globals";
import { failed, type Outcome, ok } from "../../src/core/model.ts";
import { suggestConfig } from "../../src/core/suggest-config.ts";
import type { Survey } from "../../src/engine/ports.ts";
import type { ListedRepository } from "../../src/engine/store-port.ts";
import type { Surveyed } from "../../src/engine/surveys.ts";
import { escapeHtml } from "../../src/web/escape.ts";
import { aBuild, browser, installation, NOW, openSite, repository, type Site, type World } from "./world.ts";

const PAGE = "/installations/github/default/7";
/** What the suggested file stands in. */
const FILE = '<pre class="box command" tabindex="0" aria-label="Suggested .wharfinger.yml">';

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

function listed(more: Partial<ListedRepository> = {}): ListedRepository {
  return { ...repository, link: "linked", ...more };
}

function surveyed(survey: Survey | null, at = NOW): Outcome<Surveyed> {
  return ok({ repository, survey, at });
}

/** The page of an installation with one repository, which holds this. */
async function pageOf(answer: Outcome<Surveyed> | null, changes: Partial<World> = {}): Promise<string> {
  const surveys = { within: async () => [answer] };
  return textOf(await open({ repositories: [listed()], surveys, ...changes }), PAGE);
}

describe("the list of installations", () => {
  it("has each with its account, host, state, namespace and number of repositories, and a place in the navigation", async () => {
    const other = {
      ...installation,
      provider: "bitbucket",
      host: "second",
      id: "{a b}",
      state: "suspended",
      namespace: null,
      account: { ...installation.account, login: "<b>evil" },
    } as const;
    const opened = await open({ installations: [installation, other], repositories: [listed()] });
    const text = await textOf(opened, "/installations");
    for (const part of [
      '<a href="/installations" aria-current="true">Installations</a>',
      '<a class="main" href="/installations/github/default/7">acme</a>',
      '<span class="pill active">active</span>',
      "<code>acme/</code>",
      '1 <span class="unit">repository</span>',
      '<a class="main" href="/installations/bitbucket/second/%7Ba%20b%7D">&lt;b&gt;evil</a>',
      "Bitbucket (second)",
      '<span class="pill suspended">suspended</span>',
      "no namespace",
      '0 <span class="unit">repositories</span>',
    ]) {
      expect(text).toContain(part);
    }
    expect(text).not.toContain("<b>");
    expect(await textOf(opened, "/installations/bitbucket/second/%7Ba%20b%7D")).toContain(
      'href="/installations/bitbucket/second/%7Ba%20b%7D/settings"',
    );
  });

  it("goes on behind a cursor, and says what to do where there is none", async () => {
    const many = Array.from({ length: 3 }, (_, index) => ({ ...installation, id: String(index) }));
    expect(await textOf(await open({ installations: many }), "/installations?limit=2")).toContain(
      'href="/installations?limit=2&amp;cursor=after-2"',
    );
    await site?.close();
    expect(await textOf(await open({ installations: [] }), "/installations")).toContain("No installations yet");
  });
});

describe("an installation's page", () => {
  it("is for who is signed in only", async () => {
    const opened = await open();
    for (const path of ["/installations", PAGE]) {
      const answer = await fetch(opened.url + path, { redirect: "manual", headers: browser });
      expect(answer.status).toBe(303);
      expect(answer.headers.get("location")).toBe(`/auth/sign-in?next=${encodeURIComponent(path)}`);
    }
  });

  it.each(["/installations/github/default/8", "/installations/gitlab/default/7", "/installations/github/other/7"])(
    "is not at %s",
    async (path) => {
      const answer = await (await open()).page(path);
      expect(answer.status).toBe(404);
      expect(await answer.text()).toContain("There is nothing here for Operator.");
    },
  );

  it("takes no other method", async () => {
    const opened = await open();
    const cookie = await opened.signIn();
    const answer = await fetch(opened.url + PAGE, { method: "POST", headers: { ...browser, Cookie: cookie } });
    expect(answer.status).toBe(405);
  });

  it("has twenty repositories, and the others on the next pages", async () => {
    const repositories = Array.from({ length: 41 }, (_, index) =>
      listed({ id: `r${index}`, fullName: `acme/r${index}.` }),
    );
    const opened = await open({ repositories });
    const first = await textOf(opened, PAGE);
    expect(first).toContain("acme/r19.");
    expect(first).not.toContain("acme/r20.");
    expect(first).toContain(`<a class="older" href="${PAGE}?page=2">`);
    const last = await textOf(opened, `${PAGE}?page=3`);
    expect(last).toContain("acme/r40.");
    expect(last).toContain(`href="${PAGE}?page=2"`);
    expect(last).not.toContain("page=4");
    expect(await textOf(opened, `${PAGE}?page=9`)).toContain("There are no more.");
  });

  it.each(["0", "-1", "1.5", "x", "1&page=2", "99999999999999999999"])("knows no page %s", async (page) => {
    expect((await (await open()).page(`${PAGE}?page=${page}`)).status).toBe(400);
  });

  it("has the last build of each, and asks what is in those that could be built only", async () => {
    const told: string[] = [];
    const repositories = [
      listed({ id: "1", fullName: "acme/one" }),
      listed({ id: "2", fullName: "acme/two", link: "paused" }),
      listed({ id: "3", fullName: "acme/three", link: "unlinked" }),
      listed(),
    ];
    const within: World["surveys"]["within"] = async (ms, _installation, asked) => {
      told.push(String(ms), ...asked.map(({ fullName }) => fullName));
      return asked.map(({ fullName }) => failed(`of ${fullName}`, { retryable: false }));
    };
    const opened = await open({ repositories, surveys: { within }, builds: [aBuild({ state: "failed" })] });
    const text = await textOf(opened, PAGE);
    expect(told).toEqual(["3000", "acme/one", "acme/api"]);
    expect(text).toMatch(/acme\/one.*of acme\/one.*acme\/two.*acme\/three.*acme\/api.*of acme\/api/s);
    expect(text).toContain('<a href="/builds/b1"><span class="pill failed">failed</span></a>');
    expect(text.match(/No builds yet/g)).toHaveLength(3);
    expect(text).toContain('<span class="pill paused">paused</span>');
    expect(text).toContain("not covered any more");
  });

  it("asks nothing of a suspended one", async () => {
    const asked: unknown[] = [];
    const within: World["surveys"]["within"] = async (_ms, _installation, repositories) => {
      asked.push(...repositories);
      return [];
    };
    const installations = [{ ...installation, state: "suspended" }] as const;
    const text = await textOf(await open({ installations, repositories: [listed()], surveys: { within } }), PAGE);
    expect(asked).toEqual([]);
    expect(text).toContain("acme/api");
    expect(text).not.toContain("looked up");
  });
});

describe("a repository on its installation's page", () => {
  it.each<[string, Outcome<Surveyed> | null, string]>([
    ["that takes too long", null, "is being looked up, and shown here in a moment."],
    [
      "with a file",
      surveyed({ defaultBranch: "main", hasFile: true, dockerfiles: ["Dockerfile"] }),
      "Has a <code>.wharfinger.yml</code>.",
    ],
    ["with nothing", surveyed({ defaultBranch: "main", hasFile: false, dockerfiles: [] }), "Nothing to build"],
    [
      "nobody can list",
      surveyed(null),
      "Not known whether there is something to build: its host lists no files of it, because there are no commits or too many files.",
    ],
    ["that failed", failed("<away>", { retryable: true }), "to build: &lt;away&gt;."],
  ])("%s is shown as such, without a file to paste", async (_, answer, part) => {
    const text = await pageOf(answer);
    expect(text).toContain(part);
    expect(text).not.toMatch(/<details|Looked up/);
  });

  it.each<[string, Outcome<Surveyed> | null, string | null]>([
    ["that takes too long", null, "2"],
    ["that failed", failed("away", { retryable: true }), null],
    ["with nothing", surveyed({ defaultBranch: "main", hasFile: false, dockerfiles: [] }), null],
  ])("%s has the page loaded again only as long as there is something to wait for", async (_, answer, refresh) => {
    const opened = await open({ repositories: [listed()], surveys: { within: async () => [answer] } });
    expect((await opened.page(PAGE)).headers.get("refresh")).toBe(refresh);
  });

  it("has the suggested file, folded, exactly", async () => {
    const dockerfiles = ["Dockerfile", "services/api/Dockerfile", "it's/x.Dockerfile"];
    const text = await pageOf(surveyed({ defaultBranch: "main", hasFile: false, dockerfiles }));
    const snippet = suggestConfig(repository, dockerfiles) ?? "";
    expect(snippet).toContain("services/api");
    expect(text).toContain(`${FILE}${escapeHtml(snippet)}</pre>`);
    expect(text).toMatch(/<details>\s*<summary>A file that builds them<\/summary>/);
    for (const path of dockerfiles) expect(text).toContain(`<code class="chip">${escapeHtml(path)}</code>`);
    expect(text).not.toContain("without a file, because");
  });

  it("shows five Dockerfiles, and how many more there are", async () => {
    const dockerfiles = Array.from({ length: 8 }, (_, index) => `s${index}/Dockerfile`);
    const text = await pageOf(surveyed({ defaultBranch: "main", hasFile: false, dockerfiles }));
    expect(text.match(/class="chip">s\d\/Dockerfile/g)).toHaveLength(5);
    expect(text).toContain("and 3 more");
    await site?.close();
    const full = Array.from({ length: 100 }, (_, index) => `s${index}/Dockerfile`);
    expect(await pageOf(surveyed({ defaultBranch: "main", hasFile: false, dockerfiles: full }))).toContain(
      "and at least 95 more",
    );
  });

  it("says what is built without a file, where the policy allows it and there is one in the root", async () => {
    const installations = [{ ...installation, policy: { ...installation.policy, zeroConfig: true } }];
    const root = await pageOf(surveyed({ defaultBranch: "main", hasFile: false, dockerfiles: ["Dockerfile"] }), {
      installations,
    });
    expect(root).toContain("is built from <code>main</code> as <code>latest</code> without a file");
    await site?.close();
    const folder = await pageOf(
      surveyed({ defaultBranch: "main", hasFile: false, dockerfiles: ["a/Dockerfile", "dockerfile"] }),
      {
        installations,
      },
    );
    expect(folder).not.toContain("without a file, because");
  });

  it("says when it was looked at, if that is a while ago", async () => {
    const at = NOW - 5 * 60_000;
    expect(await pageOf(surveyed({ defaultBranch: "main", hasFile: false, dockerfiles: [] }, at))).toMatch(
      /Looked up <time [^>]*>5 min ago</,
    );
  });

  it("has no file to paste where none can name what there is", async () => {
    const text = await pageOf(surveyed({ defaultBranch: "main", hasFile: false, dockerfiles: ["a#b/Dockerfile"] }));
    expect(text).toContain("No file can be suggested");
    expect(text).not.toContain("<details");
  });

  it("puts no markup of its own into the page, and hides nothing", async () => {
    const evil = "<img src=x onerror=alert(1)>\"'&";
    const named = { ...repository, fullName: `acme/${evil}`, webUrl: "javascript:alert(1)", defaultBranch: `${evil}b` };
    const survey = {
      defaultBranch: "main",
      hasFile: false,
      dockerfiles: [`${evil}/Dockerfile`, "a\u202eb/Dockerfile", "c\u3164d/Dockerfile"],
    };
    const text = await pageOf(ok({ repository: named, survey, at: NOW }), {
      repositories: [{ ...named, link: "linked" }],
    });
    expect(text).not.toMatch(/<img src=x|javascript:|[\u202e\u3164]/);
    expect(text).toContain(`>${escapeHtml(named.fullName)}</a>`);
    const snippet = suggestConfig(named, survey.dockerfiles) ?? "";
    expect(snippet).toContain("<img src=x");
    expect(text).toContain(`${FILE}${escapeHtml(snippet)}</pre>`);
    // What is copied from the page is what was suggested.
    expect(escapeHtml(snippet)).not.toContain("⟨U+");
  });
});

describe("an installation that waits for a namespace", () => {
  it("says on its page, in the list and in the API what it waits for, and who decides", async () => {
    const claim = { id: "3", why: "the operator has to confirm that <acme> is theirs" };
    const opened = await open({ installations: [{ ...installation, namespace: null, claim }] });
    const text = await textOf(opened, PAGE);
    expect(text).toContain(
      "<strong>Nothing is built yet</strong>: the operator has to confirm that &lt;acme&gt; is theirs",
    );
    expect(text).toContain('<a href="/admin/claims">');
    expect(await textOf(opened, "/installations")).toContain("waits for approval");
    const answer = await opened.api("/api/v1/installations/github/default/7");
    expect(await answer.json()).toMatchObject({ namespace: null, claim });
  });

  it("is told from one that asks for none", async () => {
    const text = await textOf(await open({ installations: [{ ...installation, namespace: null }] }), PAGE);
    expect(text).toContain("the account has no namespace");
  });
});
