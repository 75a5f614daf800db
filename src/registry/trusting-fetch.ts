/** What fetch does, for a registry whose certificate nobody else would trust. */
import { Agent, request } from "node:https";
import { Readable } from "node:stream";
import { rootCertificates } from "node:tls";

export interface Trust {
  /** The registry's address. */
  readonly url: string;
  /** PEM, trusted besides the usual authorities; null: none. */
  readonly ca: string | null;
  /** Any certificate of the registry itself is taken. Of no other place, such as the one that gives out its tokens. */
  readonly insecure: boolean;
}

const NO_BODY: readonly number[] = [204, 205, 304];

/**
 * As far as this folder uses fetch: redirects are never followed, bodies are buffers or streams. Node's own takes no
 * certificates. Plain http goes there.
 */
export function createTrustingFetch({ url, ca, insecure }: Trust): typeof fetch {
  if (ca === null && !(insecure && url.startsWith("https:"))) return fetch;
  const registry = new URL(url).host;
  const trusted = { ca: ca === null ? [...rootCertificates] : [...rootCertificates, ca], keepAlive: true };
  const careful = new Agent(trusted);
  const careless = insecure ? new Agent({ ...trusted, rejectUnauthorized: false }) : careful;

  return async (input, init = {}) => {
    const address = new URL(input instanceof Request ? input.url : input);
    if (address.protocol !== "https:") return await fetch(input, init);
    const { body = null, signal = null } = init;
    return await new Promise<Response>((resolve, reject) => {
      const asked = request(address, {
        method: init.method ?? "GET",
        headers: Object.fromEntries(new Headers(init.headers)),
        agent: address.host === registry ? careless : careful,
        ...(signal === null ? {} : { signal }),
      });
      asked.on("error", (error) => reject(signal?.aborted === true ? signal.reason : error));
      asked.on("response", (message) => {
        const status = message.statusCode ?? 0;
        if (init.redirect === "error" && status >= 300 && status < 400) {
          asked.destroy();
          return reject(new TypeError(`it redirects (${status}), which is not followed`));
        }
        const headers = new Headers();
        for (const [name, values] of Object.entries(message.headersDistinct)) {
          for (const value of values ?? []) headers.append(name, value);
        }
        const empty = init.method === "HEAD" || NO_BODY.includes(status);
        if (empty) message.resume();
        // Not the message itself: canceled before it was read, its connection would stay open, and the program with it.
        resolve(new Response(empty ? null : Readable.toWeb(message), { status, headers }));
      });
      if (body === null) asked.end();
      else if (Buffer.isBuffer(body)) asked.end(body);
      else send(body, asked);
    });
  };
}

/** An upload that breaks off on our side must not look complete to the registry. */
function send(body: unknown, asked: ReturnType<typeof request>): void {
  const stream = Readable.from(body as AsyncIterable<Uint8Array>);
  stream.on("error", (error) => asked.destroy(error));
  asked.on("close", () => stream.destroy());
  stream.pipe(asked);
}
