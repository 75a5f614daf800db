/**
 * From the grant to the concluded check of a push to Bitbucket, with one fault: a call of a port, or a request to
 * Bitbucket, goes wrong, each in its turn. Hundreds of runs: each file of tests takes a part, so that they run beside one
 * another.
 */
import { afterAll, beforeAll, describe, expect, it, jest } from "@jest/globals";
import { type ApiCall, type BitbucketHost, createBitbucketHost, type Effect } from "../hosts/bitbucket/index.ts";
import type { Door } from "./bitbucket-door.ts";
import { createBitbucketScene, type Granted, grantThrough } from "./bitbucket-scene.ts";
import { type Run, runWith, spoilEveryCall } from "./fault-run.ts";
import type { Fault } from "./saboteur.ts";

const RETRY_AFTER_S = 90;

/**
 * What a push to Bitbucket calls that one to GitHub does not, or answers by itself: installs that are heard of, grants that
 * are looked up, the host. All other calls go wrong in faults.test.ts.
 */
const OF_BITBUCKET =
  /^(?:host|reporter)\.|^store\.(?:connect\w+|hear\w+|settleClaim|getInstallation|countRepositories|recordIgnored)$/;

/** A test is some 30 to 60 runs, of a third of a second where nothing else goes on. */
const TIMEOUT_MS = 900_000;

const ANSWERS = {
  "500": { status: 500 },
  "503 of a proxy": { status: 503, body: "<html>Service Unavailable</html>" },
  "429": { status: 429, headers: { "retry-after": String(RETRY_AFTER_S) } },
  "401": { status: 401 },
  "a connection that is cut": { reset: true },
  "no answer": { hang: true },
  "done, and the connection cut": { afterwards: "reset" },
  "done, and a 502": { afterwards: { status: 502 } },
} as const satisfies Readonly<Record<string, Effect>>;

export type FaultyAnswer = keyof typeof ANSWERS;

/** The program and the stand-in, whose JWTs are held to the machine's clock, live by one time, and it is ours. */
const clock = {
  now: () => Date.now(),
  advance: (ms: number) => void jest.setSystemTime(Date.now() + ms),
};

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

/** Tests of one door: with each of these faults of a port, and each of these answers. */
export function describeFaults(
  door: Door,
  { faults = [], answers = [] }: { readonly faults?: readonly Fault[]; readonly answers?: readonly FaultyAnswer[] },
): void {
  describe(`a push through the door ${door}`, () => {
    let bitbucket: BitbucketHost;
    let granted: Granted;

    beforeAll(async () => {
      const real = ["hrtime", "nextTick", "performance", "queueMicrotask", "setImmediate", "clearImmediate"] as const;
      const timers = ["setInterval", "clearInterval", "setTimeout", "clearTimeout"] as const;
      jest.useFakeTimers({ doNotFake: [...real, ...timers], now: Date.parse("2026-11-20T10:00:00Z") });
      bitbucket = await createBitbucketHost({ commitBeforeCallback: true, hourlyLimit: null });
      granted = await grantThrough(door, bitbucket);
    });

    afterAll(async () => {
      await bitbucket.close();
      jest.useRealTimers();
      expect(bitbucket.violations).toEqual([]);
    });

    for (const fault of faults) {
      it(
        `with a call of a port ${fault}: ends with one image, one status and one report`,
        async () => {
          const { spoiled, wrong } = await spoilEveryCall(async (at) =>
            runWith(await createBitbucketScene(granted, clock), { at, fault, counted: OF_BITBUCKET }),
          );
          expect(wrong).toEqual([]);
          // It went through everything that is not so on GitHub.
          const through = ["host.repositories", "host.look", "host.file", "host.cloneCredential", "reporter.show"];
          through.push("store.connectionsOf", "store.connectClientsOf");
          expect(spoiled).toEqual(expect.arrayContaining(through));
        },
        TIMEOUT_MS,
      );
    }

    /** A run in which the `at`th request is answered so. */
    async function runAnswered(at: number, effect: Effect): Promise<Run> {
      const scene = await createBitbucketScene(granted, clock, "hang" in effect ? { patienceMs: 1_000 } : {});
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

    for (const name of answers) {
      it(
        `with a request answered by ${name}: ends with one image, one status and one report`,
        async () => {
          const { spoiled, wrong } = await spoilEveryCall((at) => runAnswered(at, ANSWERS[name]));
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
        TIMEOUT_MS,
      );
    }
  });
}
