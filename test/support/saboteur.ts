/** Lets one call of a port go wrong. */

/**
 * `refused`: nothing happened. `lost`: it happened, and the answer did not come back. `crash`: the program ends in the
 * middle of the call, and begins anew on the same database.
 */
export const FAULTS = ["refused", "lost", "crash before", "crash after"] as const;
export type Fault = (typeof FAULTS)[number];

class Gone extends Error {}

/** Counts the calls of all ports, or those whose `port.method` is one of `counted`, and spoils one of them. */
export function createSaboteur(at: number, fault: Fault, counted = /^/) {
  let calls = 0;
  let crash: () => void = () => undefined;
  let crashed = new Promise<"crashed">((resolve) => {
    crash = () => resolve("crashed");
  });
  let dead = false;
  const stuck: (() => void)[] = [];
  let spoiled: string | null = null;
  let armed = true;
  let over = false;

  /** Of a program that has ended: whoever waits does so until the run is over. */
  function silence(): Promise<never> {
    return new Promise((_resolve, reject) => stuck.push(() => reject(new Gone("the program has ended"))));
  }

  async function call<T>(name: string, act: () => Promise<T>, answer: (() => T) | null): Promise<T> {
    // What a program that has ended would still do at the end of the run must not happen.
    if (over) throw new Gone("the run is over");
    if (dead) return silence();
    if (!counted.test(name)) return act();
    calls += 1;
    if (calls !== at || !armed) return act();
    spoiled = name;
    if (fault === "lost" || fault === "crash after") await act();
    if (fault === "crash before" || fault === "crash after") {
      dead = true;
      crash();
      return silence();
    }
    if (answer !== null) return answer();
    throw new Error(`fault in ${name}`);
  }

  /** Every method that answers a promise; `answer` is what its failure looks like where that is data. */
  function wrap<T extends object>(port: T, label: string, answer: (() => unknown) | null, only?: string[]): T {
    return new Proxy(port, {
      get(target, key) {
        const member: unknown = Reflect.get(target, key);
        if (typeof member !== "function" || typeof key !== "string" || (only && !only.includes(key))) return member;
        const run = (...args: unknown[]): Promise<unknown> => Reflect.apply(member, target, args);
        return (...args: unknown[]) => call(`${label}.${key}`, () => run(...args), answer);
      },
    });
  }

  return {
    wrap,
    crashed: () => crashed,
    begun: () => {
      dead = false;
      crashed = new Promise(() => undefined);
    },
    /** From here on nothing is spoiled. */
    disarm() {
      armed = false;
    },
    spoiled: () => spoiled,
    /** Ends everything that waits. */
    end() {
      over = true;
      for (const reject of stuck.splice(0)) reject();
    },
  };
}

export type Saboteur = ReturnType<typeof createSaboteur>;
