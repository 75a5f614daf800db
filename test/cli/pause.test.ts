import { beforeEach, describe, expect, it } from "@jest/globals";
import type { OpenPausing } from "../../src/cli/pause.ts";
import type { By } from "../../src/core/audit.ts";
import type { HostId } from "../../src/core/model.ts";
import type { ListedPause, Resumed, WaitingLane } from "../../src/engine/pause-port.ts";
import type { Preview } from "../../src/engine/replay.ts";
import { change, request, sha } from "../contract/store.samples.ts";
import { installation, repository } from "../web/world.ts";
import { run } from "./world.ts";

const OPERATOR: By = { kind: "operator" };
const SINCE = "2026-11-20T10:00:00.000Z";
const ACME = { ...installation, id: "7", account: { ...installation.account, login: "Acme" } };
const ACME_ID = { kind: "installation", id: expect.objectContaining({ provider: "github", id: "7" }) };
const API: HostId & { fullName: string } = { provider: "github", host: "default", id: "1", fullName: "acme/api" };
const TWIN = { ...API, provider: "bitbucket", id: "{1}" } as const;

const LANE: WaitingLane = {
  repository: { ...repository, fullName: "acme/api" },
  installation: ACME,
  lane: "refs/heads/main",
  sha: sha("b"),
  delivery: { id: "4", deliveryId: "g", event: "push", installationId: "7", commits: [] },
  readable: true,
};
const { repository: of, lane, sha: at } = LANE;
const SHOWN = { repository: of, lane, sha: at, delivery: "4" };
const SHORT = sha("b").slice(0, 7);

let told: unknown[];
let closed: number;
beforeEach(() => {
  told = [];
  closed = 0;
});

function ran(args: readonly string[], more: Partial<OpenPausing> = {}) {
  const pausing: OpenPausing = {
    listInstallations: async () => ({ items: [ACME], next: null }),
    repositoriesNamed: async (name) => (name === "acme/api" ? [API] : name === "acme/both" ? [API, TWIN] : []),
    async pause(scope, { by, stop }) {
      told.push({ scope, by, stop });
      return { pause: { kind: scope.kind, since: SINCE, by, stops: stop }, began: true, stopped: stop ? 2 : 0 };
    },
    async resume(scope, by) {
      told.push({ scope, by });
      return { ended: null, remaining: [], deliveries: [], lanes: [], lost: [] };
    },
    listPauses: async () => [],
    countBuilds: async () => ({ queued: 3, running: 1 }),
    preview: async () => ({ queued: 3, running: 1, lanes: [], further: 0 }),
    close: async () => {
      closed += 1;
    },
    ...more,
  };
  return run(args, { openPausing: async () => pausing });
}

describe("pause", () => {
  it.each([
    ["the instance", ["--instance"], { kind: "instance" }, "this whole instance", "--instance"],
    ["an account", ["acme"], ACME_ID, "Acme (github:default:7)", "acme"],
    ["an account by its id", ["github:default:7"], ACME_ID, "Acme (github:default:7)", "github:default:7"],
    ["a repository", ["acme/api"], { kind: "repository", id: API }, "acme/api (github:default:1)", "acme/api"],
    [
      "one of two of a name",
      ["bitbucket:acme/both"],
      { kind: "repository", id: TWIN },
      "acme/both (bitbucket:default:{1})",
      "bitbucket:acme/both",
    ],
  ])("pauses %s, and says how to go on", async (_what, args, scope, name, again) => {
    expect(await ran(["pause", ...args])).toEqual({
      code: 0,
      err: "",
      out: `paused        ${name}\nrunning       1 build to the end; --stop stops them\nresume        wharfinger resume ${again}\n`,
    });
    expect(told).toEqual([{ scope, by: OPERATOR, stop: false }]);
    expect(closed).toBe(1);
  });

  it("stops what runs where it is told to, and says so", async () => {
    const { out } = await ran(["pause", "acme", "--stop"]);
    expect(out).toContain("stopped       2 builds; they wait in the queue\n");
    expect(told).toMatchObject([{ stop: true }]);
    const json = JSON.parse((await ran(["pause", "acme", "--stop", "--json"])).out) as object;
    expect(json).toMatchObject({ name: "Acme (github:default:7)", dryRun: false, began: true, stopped: 2 });
  });

  it("says who did it before, and since when", async () => {
    const pause: OpenPausing["pause"] = async ({ kind }) => {
      return { pause: { kind, since: SINCE, by: OPERATOR, stops: false }, began: false, stopped: 0 };
    };
    const { out } = await ran(["pause", "acme"], { pause });
    expect(out).toContain(
      "already       builds of this installation are paused since 2026-11-20 10:00 UTC, by the operator",
    );
  });

  it("changes nothing when asked what it would do", async () => {
    expect((await ran(["pause", "acme", "--dry-run"])).out).toBe(
      "would pause   Acme (github:default:7)\n" +
        "running       1 build, which would come to the end\n" +
        "queued        3 builds, which would wait\n",
    );
    expect((await ran(["pause", "--instance", "--stop", "--dry-run"])).out).toContain("which would be stopped");
    const json = JSON.parse((await ran(["pause", "acme", "--dry-run", "--json"])).out) as object;
    expect(json).toMatchObject({ dryRun: true, stop: false, builds: { queued: 3, running: 1 } });
    expect(told).toEqual([]);
  });

  it("lists what is paused where nothing is named", async () => {
    expect((await ran(["pause"])).out).toBe("Nothing is paused.\n");
    const by: By = { kind: "person", provider: "github", host: "default", actor: { id: "42", login: "ann" } };
    const pauses: readonly ListedPause[] = [
      { kind: "instance", scope: { kind: "instance" }, name: "instance", since: SINCE, by: OPERATOR, stops: true },
      {
        kind: "repository",
        scope: { kind: "repository", id: API },
        name: "acme/api\nx",
        since: SINCE,
        by,
        stops: false,
      },
    ];
    const listPauses = async () => pauses;
    expect((await ran(["pause"], { listPauses })).out.split("\n")).toEqual([
      "instance: builds of this whole instance are paused since 2026-11-20 10:00 UTC, by the operator; what ran was stopped",
      "acme/api x (github:default:1): builds of this repository are paused since 2026-11-20 10:00 UTC, by ann",
      "",
    ]);
    const { items } = JSON.parse((await ran(["pause", "--json"], { listPauses })).out) as { items: object[] };
    expect(items).toMatchObject([
      { kind: "instance", id: null },
      { kind: "repository", id: "1" },
    ]);
  });
});

describe("resume", () => {
  it("says what is planned again, what is lost, and what still holds it up", async () => {
    const resume: OpenPausing["resume"] = async (): Promise<Resumed> => ({
      ended: { kind: "repository", since: SINCE, by: OPERATOR, stops: false },
      remaining: [{ kind: "instance", since: SINCE, by: OPERATOR, stops: true }],
      deliveries: ["9"],
      lanes: [LANE],
      lost: [{ ...LANE, lane: "refs/tags/v1", sha: null, readable: false }],
    });
    const { code, out } = await ran(["resume", "acme/api"], { resume });
    expect(code).toBe(0);
    expect(out.split("\n")).toEqual([
      "resumed       acme/api (github:default:1)",
      "still         builds of this whole instance are paused since 2026-11-20 10:00 UTC, by the operator",
      `planned       acme/api main ${SHORT}`,
      expect.stringMatching(/^lost {10}acme\/api v1: its delivery is past RETENTION_BODIES_DAYS/),
      "",
    ]);
    const json = JSON.parse((await ran(["resume", "acme/api", "--json"], { resume })).out) as object;
    expect(json).toMatchObject({
      ended: { kind: "repository" },
      lanes: [{ repository: "acme/api", lane: "refs/heads/main", delivery: "4" }],
      lost: [{ why: expect.stringContaining("RETENTION_BODIES_DAYS") }],
    });
  });

  it("says that nothing was paused, and that nothing waited", async () => {
    expect((await ran(["resume", "--instance"])).out).toBe(
      "not paused    this whole instance\nnothing       waited for it\n",
    );
    expect(told).toEqual([{ scope: { kind: "instance" }, by: OPERATOR }]);
  });

  it("shows what would be built, and resumes nothing", async () => {
    const planned = { kind: "planned", builds: [], held: [], skips: [] } as const;
    const build = request(change("a", "b"));
    const preview: Preview = {
      queued: 3,
      running: 0,
      further: 2,
      lanes: [
        { lane: SHOWN, answer: { ...planned, builds: [build] } },
        { lane: { ...SHOWN, lane: "refs/pull/3/head" }, answer: { ...planned, held: [{ ...build, push: false }] } },
        {
          lane: { ...SHOWN, lane: "refs/heads/docs" },
          answer: {
            ...planned,
            skips: [
              { ref: null, sha: null, image: null, rule: null, reason: "no-match", detail: "not built: no rule" },
            ],
          },
        },
        { lane: { ...SHOWN, lane: "refs/heads/dev" }, answer: { kind: "unknown", why: "the host is away" } },
      ],
    };
    const { out } = await ran(["resume", "acme", "--dry-run"], { preview: async () => preview });
    expect(out.split("\n")).toEqual([
      "would resume  Acme (github:default:7)",
      "queued        3 builds, which would go on",
      `would build   acme/api main ${SHORT}: api as latest`,
      `would hold    acme/api refs/pull/3/head ${SHORT}: api, not published`,
      `no build      acme/api docs ${SHORT}: all: not built: no rule`,
      `not known     acme/api dev ${SHORT}: the host is away`,
      "further       2 more, which nobody looked at",
      "",
    ]);
    const args = ["resume", "acme", "--dry-run", "--json"];
    const json = JSON.parse((await ran(args, { preview: async () => preview })).out) as object;
    expect(json).toMatchObject({
      dryRun: true,
      builds: { queued: 3 },
      lanes: [{ builds: [{ image: "api" }] }, {}, {}, {}],
    });
    expect((await ran(["resume", "acme", "--dry-run"])).out).toContain("nothing       waits to be planned");
    expect(told).toEqual([]);
  });
});

describe("neither", () => {
  it.each<[string, string[], number, RegExp]>([
    ["nothing", ["resume"], 2, /say what: wharfinger resume ACCOUNT, OWNER\/NAME or --instance/],
    ["nothing in particular", ["pause", "--stop"], 2, /say what: wharfinger pause/],
    ["nothing in a dry run", ["pause", "--dry-run"], 2, /say what/],
    ["a name and the instance", ["pause", "acme", "--instance"], 2, /give a name or --instance, not both/],
    ["an account nobody knows", ["resume", "nobody"], 1, /no installation "nobody" is known here/],
    ["a repository nobody knows", ["pause", "acme/none"], 1, /no repository "acme\/none" is known here/],
    ["a name of two", ["pause", "acme/both"], 1, /write github:acme\/both or bitbucket:acme\/both/],
    ["two names", ["pause", "acme", "other"], 2, /too many arguments/],
  ])("takes %s", async (_what, args, code, message) => {
    const answer = await ran(args);
    expect([answer.code, answer.out]).toEqual([code, ""]);
    expect(answer.err).toMatch(message);
    expect(told).toEqual([]);
  });

  it("goes on with what is gone meanwhile", async () => {
    const gone: Partial<OpenPausing> = {
      pause: async () => null,
      resume: async () => null,
      preview: async () => null,
    };
    for (const args of [
      ["pause", "acme"],
      ["resume", "acme"],
      ["resume", "acme", "--dry-run"],
    ]) {
      const answer = await ran(args, gone);
      expect([answer.code, answer.err]).toEqual([1, expect.stringContaining("is not known here any more")]);
    }
    const uncounted = await ran(["pause", "acme", "--dry-run"], { countBuilds: async () => null });
    expect([uncounted.code, uncounted.out]).toEqual([1, ""]);
    expect(closed).toBe(4);
  });
});
