/** Requests to addresses that people gave: only to where the internet is, whatever names and redirects say. */
import { lookup as resolve } from "node:dns";
import type { LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";
import { Agent, fetch } from "undici";
import { failed, type Outcome, ok } from "../core/model.ts";

export interface OutgoingOptions {
  /** `internet`: no private, loopback or link-local address; `host`: whatever this machine reaches. */
  readonly network: "internet" | "host";
  readonly timeoutMs?: number;
  /** As `dns.lookup` with `all`. */
  readonly lookup?: (
    host: string,
    done: (error: Error | null, addresses: readonly { address: string; family: number }[]) => void,
  ) => void;
}

export interface Outgoing {
  /** Whether requests would be sent there now: `https:`, and an address that may be reached. */
  check(address: string): Promise<Outcome<true>>;
  /** The answer's status; its body is nobody's business. */
  post(
    address: string,
    body: object,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Outcome<{ readonly status: number; readonly retryAfter: number | null }>>;
}

class Forbidden extends Error {}

const PRIVATE = "It leads to an address inside a private network, where nothing is sent.";

export function createOutgoing({ network, timeoutMs = 10_000, ...options }: OutgoingOptions): Outgoing {
  const lookup =
    options.lookup ?? ((host, done) => resolve(host, { all: true }, (error, all) => done(error, all ?? [])));
  const isOpen = (address: string) => network === "host" || isPublic(address);

  /** All of a name's addresses have to be good: which one is taken is not ours to say. Asked again for each connection. */
  const guarded: LookupFunction = (host, { all }, done) => {
    lookup(host, (error, found) => {
      const [first] = found;
      if (error !== null || first === undefined) return done(error ?? new Error("no address"), "");
      if (!found.every(({ address }) => isOpen(address))) return done(new Forbidden(PRIVATE), "");
      if (all === true) done(null, [...found]);
      else done(null, first.address, first.family);
    });
  };
  const dispatcher = new Agent({
    connect: { lookup: guarded, timeout: timeoutMs },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    maxResponseSize: 64 * 1024,
  });

  /** Where the address itself is one, nobody looks it up. Null: nothing is wrong with it. */
  function wrong(address: string): string | null {
    const url = URL.canParse(address) ? new URL(address) : null;
    if (url === null || url.protocol !== "https:") return "It is no https:// address.";
    const literal = url.hostname.replace(/^\[|\]$/g, "");
    return ipaddr.isValid(literal) && !isOpen(literal) ? PRIVATE : null;
  }

  return {
    async check(address) {
      const problem = wrong(address);
      if (problem !== null) return failed(problem, { retryable: false });
      const host = new URL(address).hostname;
      if (ipaddr.isValid(host.replace(/^\[|\]$/g, ""))) return ok(true);
      return new Promise((answer) => {
        guarded(host, { all: true }, (error) => {
          if (error === null) return answer(ok(true));
          const why = error instanceof Forbidden ? PRIVATE : `The name ${host} leads nowhere.`;
          answer(failed(why, { retryable: false }));
        });
      });
    },

    async post(address, body, headers = {}) {
      const problem = wrong(address);
      if (problem !== null) return failed(problem, { retryable: false });
      try {
        const response = await fetch(address, {
          method: "POST",
          headers: { "content-type": "application/json", "user-agent": "wharfinger", ...headers },
          body: JSON.stringify(body),
          // Where it leads to was not looked at.
          redirect: "manual",
          signal: AbortSignal.timeout(timeoutMs),
          dispatcher,
        });
        await response.body?.cancel();
        const seconds = response.headers.get("retry-after") ?? "";
        return ok({ status: response.status, retryAfter: /^\d{1,6}$/.test(seconds) ? Number(seconds) : null });
      } catch (error) {
        // fetch keeps the reason inside. Messages may hold the address, which is a secret.
        const cause = error instanceof Error ? (error.cause ?? error) : error;
        if (cause instanceof Forbidden) return failed(PRIVATE, { retryable: false });
        const code = typeof cause === "object" && cause !== null ? Reflect.get(cause, "code") : null;
        return failed(`The address did not answer (${typeof code === "string" ? code : "no reason given"}).`, {
          retryable: true,
        });
      }
    },
  };
}

/** Of IPv6 addresses that stand for one of IPv4, that one counts. */
function isPublic(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === "unicast";
}
