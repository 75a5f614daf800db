import { beforeEach, describe, expect, it } from "@jest/globals";
import { failed, type HostId, type Installation, type Outcome, ok, type Repository } from "../../src/core/model.ts";
import { createPauses, type Pauses } from "../../src/engine/pauses.ts";
import type { Host, Survey } from "../../src/engine/ports.ts";
import type { ListedRepository } from "../../src/engine/store-port.ts";
import { createSurveys, type Surveys } from "../../src/engine/surveys.ts";
import { repository, testClock } from "../contract/store.samples.ts";
import { deferred, hostOf, INSTALLATION, recordingLog, settled } from "./fakes.ts";

const SURVEY: Survey = { defaultBranch: "main", hasFile: false, dockerfiles: ["Dockerfile"] };
const MINUTE = 60_000;

function listed(id: string, more: Partial<ListedRepository> = {}): ListedRepository {
  return { ...repository(id), link: "linked", ...more };
}

let clock: ReturnType<typeof testClock>;
let pauses: Pauses;
let asked: string[];
let recording: ReturnType<typeof recordingLog>;

beforeEach(() => {
  clock = testClock();
  pauses = createPauses(clock);
  asked = [];
  recording = recordingLog();
});

/** Surveys of one host, that answers with `answer`. */
function surveysOf(
  answer: (id: string) => Promise<Outcome<Survey | null>> = async () => ok(SURVEY),
  more: Partial<Host> = {},
): Surveys {
  const host = hostOf([], {
    survey: (_installation: HostId, { id }: Repository) => {
      asked.push(id);
      return answer(id);
    },
    ...more,
  });
  return createSurveys({ hosts: [host], pauses, clock, log: recording.log });
}

function message(answer: Outcome<unknown> | null): string | null {
  return answer === null || answer.ok ? null : answer.message;
}

describe("a survey", () => {
  it("is what the host says, with when it said so", async () => {
    const { link: _, ...bare } = listed("1");
    expect(await surveysOf().survey(INSTALLATION, listed("1"))).toMatchObject({
      ok: true,
      value: { repository: bare, survey: SURVEY, at: clock.now() },
    });
  });

  it("is remembered for ten minutes, and asked for anew then", async () => {
    const surveys = surveysOf();
    await surveys.survey(INSTALLATION, listed("1"));
    clock.advance(10 * MINUTE - 1);
    await surveys.survey(INSTALLATION, listed("1"));
    expect(asked).toEqual(["1"]);
    clock.advance(1);
    await surveys.survey(INSTALLATION, listed("1"));
    expect(asked).toEqual(["1", "1"]);
  });

  it("is another one for another installation and another default branch", async () => {
    const surveys = surveysOf();
    await surveys.survey(INSTALLATION, listed("1"));
    await surveys.survey({ ...INSTALLATION, id: "8" }, listed("1"));
    await surveys.survey(INSTALLATION, listed("1", { defaultBranch: "trunk" }));
    expect(asked).toEqual(["1", "1", "1"]);
  });

  it("is remembered of the last 500 repositories", async () => {
    const surveys = surveysOf();
    for (let id = 0; id <= 500; id += 1) await surveys.survey(INSTALLATION, listed(String(id)));
    asked.length = 0;
    await surveys.survey(INSTALLATION, listed("1"));
    await surveys.survey(INSTALLATION, listed("0"));
    expect(asked).toEqual(["0"]);
  });

  it("is shared by those who ask while it is under way", async () => {
    const answer = deferred<Outcome<Survey | null>>();
    const surveys = surveysOf(() => answer.promise);
    const both = [surveys.survey(INSTALLATION, listed("1")), surveys.survey(INSTALLATION, listed("1"))];
    answer.resolve(ok(SURVEY));
    const [one, other] = await Promise.all(both);
    expect(asked).toEqual(["1"]);
    expect(other).toBe(one);
  });

  it("is made of four repositories at a time, the others in turn", async () => {
    const answers = new Map(["1", "2", "3", "4", "5", "6"].map((id) => [id, deferred<Outcome<Survey | null>>()]));
    const surveys = surveysOf((id) => answers.get(id)?.promise ?? Promise.reject(new Error(id)));
    const all = [...answers.keys()].map((id) => surveys.survey(INSTALLATION, listed(id)));
    await settled();
    expect(asked).toEqual(["1", "2", "3", "4"]);
    answers.get("3")?.resolve(failed("away", { retryable: true }));
    await settled();
    expect(asked).toEqual(["1", "2", "3", "4", "5"]);
    for (const { resolve } of answers.values()) resolve(ok(SURVEY));
    expect((await Promise.all(all)).map(({ ok: good }) => good)).toEqual([true, true, false, true, true, true]);
    // All places are free again.
    await Promise.all(["1", "2", "4", "7"].map((id) => surveys.survey(INSTALLATION, listed(id))));
    expect(asked).toEqual(["1", "2", "3", "4", "5", "6", "7"]);
  });

  it.each<Installation["state"]>(["suspended", "paused", "removed"])(
    "is not made of an installation that is %s",
    async (state) => {
      const surveys = surveysOf();
      const answer = await surveys.survey({ ...INSTALLATION, state }, listed("1"));
      expect(message(answer)).toBe(`the installation is ${state}`);
      expect(asked).toEqual([]);
    },
  );

  it("is not made of a repository that is paused or not covered, remembered or not", async () => {
    const surveys = surveysOf();
    await surveys.survey(INSTALLATION, listed("1"));
    const paused = await surveys.survey(INSTALLATION, listed("1", { link: "paused" }));
    const unlinked = await surveys.survey(INSTALLATION, listed("1", { link: "unlinked" }));
    expect([paused, unlinked].map(message)).toEqual([
      "the repository is paused",
      "the installation does not cover it any more",
    ]);
    expect(asked).toEqual(["1"]);
  });

  it("waits for a host that asked us to, also for one that says so meanwhile", async () => {
    const answer = deferred<Outcome<Survey | null>>();
    const surveys = surveysOf(() => answer.promise);
    const all = ["1", "2", "3", "4", "5"].map((id) => surveys.survey(INSTALLATION, listed(id)));
    await settled();
    answer.resolve(failed("rate limit", { retryable: true, retryAfter: 90 }));
    const answers = await Promise.all(all);
    expect(asked).toEqual(["1", "2", "3", "4"]);
    expect(message(answers[4] ?? null)).toBe("the host asked us to wait for 90 s");
    expect(pauses.left(INSTALLATION)).toBe(90_000);
    // Of another one nobody said so.
    await surveys.survey({ ...INSTALLATION, id: "8" }, listed("5"));
    expect(asked).toEqual(["1", "2", "3", "4", "5"]);
  });

  it("that failed is not remembered", async () => {
    let away = true;
    const surveys = surveysOf(async () => (away ? failed("away", { retryable: true }) : ok(SURVEY)));
    expect(message(await surveys.survey(INSTALLATION, listed("1")))).toBe("away");
    away = false;
    expect(await surveys.survey(INSTALLATION, listed("1"))).toMatchObject({ ok: true });
  });

  it("fails, is logged and gives its place back where a host throws", async () => {
    const surveys = surveysOf(() => Promise.reject(new Error("a bug with s3cret words")));
    for (let id = 0; id < 5; id += 1) {
      const answer = await surveys.survey(INSTALLATION, listed(String(id)));
      expect(message(answer)).toBe("an internal error; the server's log has the details");
    }
    expect(recording.lines.filter(({ level }) => level === "error")).toHaveLength(5);
    expect(asked).toHaveLength(5);
  });

  it("is not made of a host nobody configured", async () => {
    const surveys = createSurveys({ hosts: [], pauses, clock, log: recording.log });
    expect(message(await surveys.survey(INSTALLATION, listed("1")))).toBe("this server is not set up for its host");
  });

  it("begins no more once the server stops", async () => {
    const surveys = surveysOf();
    surveys.stop();
    expect(message(await surveys.survey(INSTALLATION, listed("1")))).toBe("the server is stopping");
    expect(asked).toEqual([]);
  });
});

describe("a repository whose default branch nobody has told", () => {
  const unknown = listed("1", { defaultBranch: null, cloneUrl: "", webUrl: "" });

  it("is surveyed on the branch that the survey tells, where only its events would", async () => {
    const answer = await surveysOf().survey(INSTALLATION, unknown);
    expect(answer).toMatchObject({ ok: true, value: { repository: { defaultBranch: "main" }, survey: SURVEY } });
  });

  it("is surveyed as its host describes it where that does", async () => {
    const look: Host["look"] = async () => ok({ kind: "seen", repository: repository("1") });
    const answer = await surveysOf(undefined, { look }).survey(INSTALLATION, unknown);
    expect(answer).toMatchObject({ ok: true, value: { repository: { defaultBranch: "main" }, survey: SURVEY } });
  });

  it.each<[string, Host["look"], string]>([
    ["is gone", async () => ok({ kind: "gone" }), "the host does not know it any more"],
    [
      "is empty",
      async () => ok({ kind: "seen", repository: { ...repository("1"), defaultBranch: null } }),
      "it has no commits",
    ],
    ["can not be looked at", async () => failed("away", { retryable: true }), "away"],
  ])("is not surveyed where it %s", async (_, look, why) => {
    expect(message(await surveysOf(undefined, { look }).survey(INSTALLATION, unknown))).toBe(why);
    expect(asked).toEqual([]);
  });
});

describe("surveys of several repositories within a time", () => {
  it("come in their order, and without waiting for its end", async () => {
    const surveys = surveysOf(async (id) => (id === "2" ? ok(null) : ok(SURVEY)));
    const begun = Date.now();
    const answers = await surveys.within(60_000, INSTALLATION, [listed("1"), listed("2", {}), listed("3")]);
    expect(Date.now() - begun).toBeLessThan(50_000);
    expect(answers.map((one) => (one?.ok ? [one.value.repository.id, one.value.survey] : one))).toEqual([
      ["1", SURVEY],
      ["2", null],
      ["3", SURVEY],
    ]);
  });

  it("leave out what takes longer, which is there for who asks later", async () => {
    const slow = deferred<Outcome<Survey | null>>();
    const surveys = surveysOf((id) => (id === "2" ? slow.promise : Promise.resolve(ok(SURVEY))));
    const both = [listed("1"), listed("2")];
    const answers = await surveys.within(20, INSTALLATION, both);
    expect(answers.map((one) => one?.ok ?? null)).toEqual([true, null]);
    slow.resolve(ok(SURVEY));
    await settled();
    expect(answers.map((one) => one?.ok ?? null)).toEqual([true, null]);
    expect((await surveys.within(20, INSTALLATION, both)).map((one) => one?.ok ?? null)).toEqual([true, true]);
    expect(asked).toEqual(["1", "2"]);
  });

  it("are none of none", async () => {
    expect(await surveysOf().within(60_000, INSTALLATION, [])).toEqual([]);
  });
});
