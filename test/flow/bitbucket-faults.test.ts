/**
 * From the grant to the concluded check of a push to Bitbucket, with one fault: a call of a port, or a request to
 * Bitbucket, goes wrong, each in its turn.
 */
import { afterAll, beforeAll, describe, expect, it, jest } from "@jest/globals";
import { type ApiCall, type BitbucketHost, createBitbucketHost, type Effect } from "../hosts/bitbucket/index.ts";
import { DOORS, type Door } from "../support/bitbucket-door.ts";
import { createBitbucketScene, type Granted, grantThrough } from "../support/bitbucket-scene.ts";
import { type Run, runWith, spoilEveryCall } from "../support/fault-run.ts";
import { FAULTS, type Fault } from "../support/saboteur.ts";

const RETRY_AFTER_S = 90;

const ANSWERS: readonly (readonly [string, Effect])[] = [
  ["500", { status: 500 }],
  ["503 of a proxy", { status: 503, body: "<html>Service Unavailable</html>" }],
  ["429", { status: 429, headers: { "retry-after": String(RETRY_AFTER_S) } }],
  ["401", { status: 401 }],
  ["a connection that is cut", { reset: true }],
  ["no answer", { hang: true }],
  ["done, and the connection cut", { afterwards: "reset" }],
  ["done, and a 502", { afterwards: { status: 502 } }],
];

/** The webhook's door has no tokens of its own to ask for, and is else the same: of its path one fault of a kind will do. */
const SPOILED: Readonly<Record<Door, { readonly faults: readonly Fault[]; readonly answers: typeof ANSWERS }>> = {
  connect: { faults: FAULTS, answers: ANSWERS },
  webhook: { faults: ["lost"], answers: ANSWERS.filter(([name]) => name === "429" || name === "done, and a 502") },
};

/** The program and the stand-in, whose JWTs are held to the machine's clock, live by one time, and it is ours. */
const clock = {
  now: () => Date.now(),
  advance: (ms: number) => void jest.setSystemTime(Date.now() + ms),
};

beforeAll(() => {
  const real = ["hrtime", "nextTick", "performance", "queueMicrotask", "setImmediate", "clearImmediate"] as const;
  const timers = ["setInterval", "clearInterval", "setTimeout", "clearTimeout"] as const;
  jest.useFakeTimers({ doNotFake: [...real, ...timers], now: Date.parse("2026-11-20T10:00:00Z") });
});

afterAll(() => {
  jest.useRealTimers();
});

/** Calls of what was limited at a time at which it had asked not to be called; the API and the token endpoint each count. */
function hammered(calls: readonly ApiCall[]): string[] {
  const isToken = ({ path }: ApiCall) => path.startsWith("/site/");
  const index = calls.findIndex(({ status }) => status === 429);
  const limited = calls[index];
  if (limited === undefined) return [];
  const until = limited.at + RETRY_AFTER_S * 1_000;
  return calls
    .slice(index + 1)
    .filter((call) => call.at < until && isToken(call) === isToken(limited))
    .map(({ method, path, at }) => `${method} ${path} after ${(at - limited.at) / 1_000} s`);
}

describe.each(DOORS)("a push through the door %s", (door) => {
  let bitbucket: BitbucketHost;
  let granted: Granted;

  beforeAll(async () => {
    bitbucket = await createBitbucketHost({ commitBeforeCallback: true, hourlyLimit: null });
    granted = await grantThrough(door, bitbucket);
  });

  afterAll(async () => {
    await bitbucket.close();
    expect(bitbucket.violations).toEqual([]);
  });

  it.each(SPOILED[door].faults)(
    "with a call of a port %s: ends with one image, one status and one report",
    async (fault) => {
      const { spoiled, wrong } = await spoilEveryCall(async (at) =>
        runWith(await createBitbucketScene(granted, clock), { at, fault }),
      );
      expect(wrong).toEqual([]);
      // It went through everything that is not so on GitHub.
      const through = ["host.repositories", "host.look", "host.file", "host.cloneCredential", "reporter.show"];
      through.push("store.connectionsOf", "store.connectClientsOf");
      expect(spoiled).toEqual(expect.arrayContaining(through));
    },
    120_000,
  );

  /** A run in which the `at`th request is answered so. */
  async function runAnswered(at: number, effect: Effect): Promise<Run> {
    const scene = await createBitbucketScene(granted, clock);
    let count = 0;
    let spoiled: string | null = null;
    let isOver = false;
    bitbucket.inject({
      effect,
      match({ method, path, route }) {
        if (isOver) return false;
        count += 1;
        if (count === at) spoiled = `${method} ${route ?? path}`;
        return count === at;
      },
    });
    const begun = bitbucket.calls.length;
    const { problems } = await runWith(scene, null);
    isOver = true;
    const isLimit = "status" in effect && effect.status === 429;
    return { spoiled, problems: [...problems, ...(isLimit ? hammered(bitbucket.calls.slice(begun)) : [])] };
  }

  it.each(SPOILED[door].answers)(
    "with a request answered by %s: ends with one image, one status and one report",
    async (_name, effect) => {
      const { spoiled, wrong } = await spoilEveryCall((at) => runAnswered(at, effect));
      expect(wrong).toEqual([]);
      const commit = "/repositories/{workspace}/{repo_slug}/commit/{commit}";
      const through = [
        "GET /repositories/{workspace}",
        "GET /repositories/{workspace}/{repo_slug}",
        "GET /repositories/{workspace}/{repo_slug}/src/{commit}/{path}",
        `POST ${commit}/statuses/build`,
        `PUT ${commit}/reports/{reportId}`,
      ];
      expect(spoiled).toEqual(expect.arrayContaining(through));
    },
    120_000,
  );
});
