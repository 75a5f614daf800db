import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import type { HostId } from "../../src/core/model.ts";
import type { BuildFilter } from "../../src/engine/store-port.ts";
import { createBuildLists } from "../../src/store/build-lists.ts";
import { type Database, openDatabase } from "../../src/store/database.ts";
import { migrateStore, type OpenedStore, openStore } from "../../src/store/store.ts";
import { durationChart } from "../../src/web/duration-chart.ts";
import { memorySessions } from "../support/memory-sessions.ts";
import { personCookie } from "../support/person.ts";
import { aBuild, aDelivery, browser, NOW, openSite, type Site, type World } from "./world.ts";

const SEVEN: HostId = { provider: "github", host: "default", id: "7" };
const clock = { now: () => NOW };

let site: Site | null = null;
afterEach(async () => {
  await site?.close();
  site = null;
});

async function text(path: string): Promise<string> {
  const answer = await site?.page(path);
  expect(answer?.status).toBe(200);
  return (await answer?.text()) ?? "";
}

describe("a list of 10,000 builds", () => {
  const COUNT = 10_000;
  let folder = "";
  let store: OpenedStore;
  let database: Database;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "wharfinger-lists-"));
    const url = `sqlite:${join(folder, "wharfinger.db")}`;
    await migrateStore(url);
    database = await openDatabase(url);
    await fill(database, COUNT);
    await database.close();
    store = await openStore({ url, clock });
    database = await openDatabase(url);
  });
  afterAll(async () => {
    await store.close();
    await database.close();
    await rm(folder, { recursive: true });
  });

  it("is a page of less than 100 KB, made with one question for its table", async () => {
    const asked: string[] = [];
    const counted: OpenedStore = new Proxy(store, {
      get(target, name, receiver) {
        const method: unknown = Reflect.get(target, name, receiver);
        if (typeof method !== "function") return method;
        return (...args: unknown[]) => {
          asked.push(String(name));
          return Reflect.apply(method, target, args);
        };
      },
    });
    site = await openSite({ store: counted });
    await site.page("/builds");
    for (const path of ["/builds", "/builds?limit=100", "/builds?state=failed&repository=ACME/r3&ref=main"]) {
      asked.length = 0;
      const page = await text(path);
      expect(Buffer.byteLength(page)).toBeLessThan(100_000);
      expect(page.match(/<tr>/g)?.length).toBeGreaterThan(20);
      // Of what is paused everybody is told.
      expect(asked.toSorted()).toEqual(["listBuilds", "pausesOf"]);
    }
  });

  it("takes one statement for a page, however it is filtered, and reads no more than it shows", async () => {
    const statements: { readonly text: string; readonly bind: readonly unknown[] }[] = [];
    const lists = createBuildLists({
      ...database,
      query(statement, bind = []) {
        statements.push({ text: statement, bind });
        return database.query(statement, bind);
      },
    });
    const filters = [
      {},
      { state: "failed" },
      { state: "queued" },
      { failure: "build" },
      { installation: SEVEN },
      { installations: [SEVEN, { ...SEVEN, id: "8" }] },
      { image: "acme/i3" },
      { repository: { provider: "github", host: "default", id: "3" } },
    ] as const;
    for (const filter of filters) {
      statements.length = 0;
      await lists.listBuilds({ limit: 30, cursor: null, ...filter });
      const [only, ...more] = statements;
      expect(more).toEqual([]);
      const plan = await database.query(`EXPLAIN QUERY PLAN ${only?.text}`, (only?.bind ?? []) as never);
      const steps = plan.map((row) => String(row["detail"])).join("; ");
      // By an index that has them in order, unless several lists are merged.
      expect(steps).toMatch(/SEARCH b USING (?:INDEX|INTEGER PRIMARY KEY)/);
      if (!("installations" in filter)) expect(steps).not.toContain("TEMP B-TREE");
    }
  });

  it("turns all its pages without showing anything twice", async () => {
    const seen = new Set<string>();
    for (let cursor: string | null = null, pages = 0; pages === 0 || cursor !== null; pages += 1) {
      const page: Awaited<ReturnType<OpenedStore["listBuilds"]>> = await store.listBuilds({
        limit: 100,
        cursor,
        installation: SEVEN,
      });
      for (const { id } of page.items) seen.add(id);
      cursor = page.next;
    }
    expect(seen.size).toBe(COUNT / 2);
  });
});

describe("what the list is filtered by", () => {
  it("is shown again in the form, and goes on to older builds", async () => {
    site = await openSite({ builds: Array.from({ length: 3 }, (_, index) => aBuild({ id: `b${index}` })) });
    const page = await text("/builds?state=failed&repository=acme%2F%22%3E%3Cscript%3E&image=&ref=main&limit=1");
    expect(page).toContain('<option value="failed" selected>failed</option>');
    expect(page).toContain('value="acme/&quot;&gt;&lt;script&gt;"');
    expect(page).toContain(
      "state=failed&amp;repository=acme%2F%22%3E%3Cscript%3E&amp;ref=main&amp;limit=1&amp;cursor=",
    );
    expect(page).toContain(
      '<a href="/builds?state=held&amp;repository=acme%2F%22%3E%3Cscript%3E&amp;ref=main">Held</a>',
    );
  });

  it.each([
    ["state", "broken", "state must be one of queued, running"],
    ["trigger", "me", "trigger must be one of event"],
    ["failure", "me", "failure must be one of checkout"],
    ["installation", "acme", "installation must be PROVIDER:HOST:ID"],
    ["repository", "x".repeat(301), "at most 300 characters"],
  ])("is refused where %s makes no sense", async (name, value, why) => {
    site = await openSite();
    const answer = await site.page(`/builds?${new URLSearchParams({ [name]: value })}`);
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining(why)]);
  });

  it("is nothing where fields are empty or blank", async () => {
    const asked: BuildFilter[] = [];
    const listBuilds: OpenedStore["listBuilds"] = async (query) => {
      asked.push(query);
      return { items: [], next: null };
    };
    const store = await openStore({ url: "sqlite::memory:", clock });
    try {
      site = await openSite({ store: { ...store, listBuilds } });
      await text("/builds?state=&repository=++&image=&ref=%09&installation=&trigger=");
      await text("/builds?ref=+v1+&repository=acme/api");
    } finally {
      await store.close();
    }
    const all = { limit: 30, cursor: null };
    const refs = ["refs/heads/v1", "refs/tags/v1"];
    expect(asked).toEqual([all, { ...all, repositoryName: "acme/api", refs }]);
  });

  it("says what to do where nothing is like that", async () => {
    site = await openSite({ builds: [] });
    expect(await text("/builds?ref=mian")).toContain("Names are compared whole");
    expect(await text("/builds")).not.toContain("Names are compared whole");
  });
});

describe("somebody who is no operator", () => {
  const EIGHT = { ...SEVEN, id: "8" };
  const other = { ...aBuild().repository, id: "2", fullName: "acme/secret" };
  const builds = [
    aBuild({ id: "b1" }),
    aBuild({ id: "b2" }),
    aBuild({ id: "b3", repository: other, image: "acme/secret" }),
    aBuild({ id: "b4", installation: EIGHT, image: "others/thing" }),
  ];

  async function open(changes: Partial<World> = {}, reach: readonly HostId[] = [SEVEN]) {
    const sessions = memorySessions(clock);
    const asked: string[] = [];
    site = await openSite({
      builds,
      sessions,
      authorizer: {
        async may(_person, action, { repository }) {
          asked.push(`${action} ${repository?.fullName}`);
          return repository?.fullName === "acme/api" && !action.endsWith("approve")
            ? { kind: "allowed" }
            : { kind: "refused", why: "no" };
        },
      },
      ...changes,
    });
    const Cookie = await personCookie({ sessions, clock, login: "mona", reach });
    const url = site.url;
    return { asked, get: (path: string) => fetch(url + path, { redirect: "manual", headers: { ...browser, Cookie } }) };
  }

  it("sees builds of the repositories their host shows them, and asks it once for each", async () => {
    const { asked, get } = await open();
    const page = await (await get("/builds")).text();
    expect([...page.matchAll(/href="\/builds\/(b\d)"/g)].map((match) => match[1])).toEqual(["b1", "b2"]);
    expect(page).not.toMatch(/secret|others/);
    expect(asked).toEqual(["build.see acme/api", "build.see acme/secret"]);
  });

  it("gets nothing of installations their host has not named, whatever the address says", async () => {
    const { asked, get } = await open({}, []);
    for (const path of ["/builds", "/builds?installation=github%3Adefault%3A8"]) {
      const page = await (await get(path)).text();
      expect(page).toContain("No installation of yours is here.");
      expect(page).not.toContain('href="/builds/b');
    }
    expect(asked).toEqual([]);
  });

  it("is told that their host does not answer, instead of that there is nothing", async () => {
    const why = "GitHub did not answer.";
    const { get } = await open({
      authorizer: { may: async () => ({ kind: "unknown", why, retryable: true, retryAfter: 30 }) },
    });
    const answer = await get("/builds");
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "30"]);
    expect(await answer.text()).toContain(why);
  });

  it.each(["", "/log", "/live"])("opens /builds/b1%s, and finds nothing at a build they may not see", async (rest) => {
    const { get } = await open();
    const own = await get(`/builds/b1${rest}`);
    expect(own.status).toBe(200);
    await own.text();
    for (const id of ["b3", "b9"]) expect((await get(`/builds/${id}${rest}`)).status).toBe(404);
  });

  it("sees deliveries of the repositories their host shows them, with what was decided, and no others", async () => {
    const hidden = { repositoryName: "acme/secret", deliveryId: "d-2" };
    const deliveries = [
      aDelivery(),
      aDelivery({ id: "2", ...hidden, repositoryId: "2" }),
      aDelivery({ id: "3", ...hidden, repositoryId: "404" }),
      aDelivery({ id: "4", ...hidden, repositoryId: null }),
    ];
    const repositories = [builds[0]?.repository, other].flatMap((one) =>
      one ? [{ ...one, link: "linked" as const }] : [],
    );
    const { asked, get } = await open({ deliveries, repositories });
    const page = await (await get("/deliveries")).text();
    expect([...page.matchAll(/href="\/deliveries\/(\d)"/g)].map((match) => match[1])).toEqual(["1"]);
    expect(page).not.toContain("secret");
    expect(asked).toEqual(["build.see acme/api", "build.see acme/secret"]);
    expect(await (await get("/deliveries/1")).text()).toContain("The branch main is built as latest.");
    for (const id of ["2", "3", "4", "5", "d-2"]) expect((await get(`/deliveries/${id}`)).status).toBe(404);
  });

  it("is not offered what they may not do, and can not do it by sending the form", async () => {
    const hold = { reason: "awaiting-approval", detail: "It waits." } as const;
    const approvals: World["approvals"] = [];
    const { get } = await open({ builds: [aBuild({ state: "held", hold })], approvals });
    const page = await (await get("/builds/b1")).text();
    expect(page).toContain("Somebody who may push to the repository can approve it here.");
    expect(page).not.toContain("/approve");
    expect(approvals).toEqual([]);
  });
});

describe("the chart of durations", () => {
  const took = (seconds: number, changes = {}) =>
    aBuild({
      createdAt: "2026-11-20T11:50:00Z",
      finishedAt: new Date(Date.parse("2026-11-20T11:50:00Z") + seconds * 1_000).toISOString(),
      ...changes,
    });

  it("has a bar for each build that ended, the oldest first, as high as it took", () => {
    const chart = durationChart([took(10), took(100, { state: "failed" }), took(50), aBuild({ finishedAt: null })]);
    expect(chart?.bars.map(({ height, state }) => [height, state])).toEqual([
      [28, "succeeded"],
      [56, "failed"],
      [6, "succeeded"],
    ]);
    expect(chart?.summary).toBe(
      "Of the last 3 builds here, half took 50 s or less, the longest 1 min 40 s; half waited 0.0 s or less for their turn, the longest 0.0 s.",
    );
  });

  it("has on top how long each waited for its turn, and not for somebody's approval", () => {
    const approval = { actor: null, at: "2026-11-20T11:49:50Z" };
    const late = { createdAt: "2026-11-20T11:49:10Z" };
    const chart = durationChart([took(50), took(50, late), took(50, { ...late, approval })]);
    expect(chart?.bars.map(({ y, height, wait }) => [y, height, wait])).toEqual([
      [28, 28, { y: 22, height: 6 }],
      [28, 28, { y: 0, height: 28 }],
      [28, 28, { y: 28, height: 0 }],
    ]);
    expect(chart?.bars[1]?.title).toBe("acme/api, succeeded: took 50 s, waited 50 s");
    expect(chart?.summary).toContain("half waited 10 s or less for their turn, the longest 50 s.");
  });

  it.each([
    ["too few have ended", [took(1), took(2)], null],
    ["all took no time at all", [took(0), took(0), took(0)], [2, 2, 2]],
    ["clocks went backwards", [took(-5), took(-5), took(4)], [56, 2, 2]],
  ])("makes sense where %s", (_, builds, heights) => {
    expect(durationChart(builds)?.bars.map(({ height }) => height) ?? null).toEqual(heights);
  });
});

/** Builds as they are after a year: most ended, of ten repositories and two installations. */
async function fill(database: Database, count: number): Promise<void> {
  const planned = JSON.stringify(aBuild().planned);
  const steps = JSON.stringify(aBuild().steps);
  await database.query(
    `INSERT INTO repositories (key, provider, host, id, full_name, private)
     WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9)
     SELECT 'github:default:' || i, 'github', 'default', CAST(i AS TEXT), 'acme/r' || i, TRUE FROM n`,
  );
  await database.query(
    `INSERT INTO builds (id, state, repository, installation, installation_id, delivery, ref, lane, sha, image, full_image,
       registry, key, generation, journal_order, tag_lines, planned, cause, steps, created_at, started_at, finished_at, request)
     WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
     SELECT 'b' || i, CASE WHEN i % 3 = 0 THEN 'failed' WHEN i > $1 - 5 THEN 'queued' ELSE 'succeeded' END,
       'github:default:' || (i % 10), 'github:default:' || (7 + i % 2), CAST(7 + i % 2 AS TEXT), i, 'refs/heads/main',
       'refs/heads/main', '0123456789abcdef0123456789abcdef01234567', 'i' || (i % 10), 'acme/i' || (i % 10), 'default',
       'k' || i, i, i, '{}', $2, 'event', $3, $4, $4, $4 + i % 600000, $5 FROM n`,
    [count - 1, planned, steps, NOW - 86_400_000, "x".repeat(2_000)],
  );
}
