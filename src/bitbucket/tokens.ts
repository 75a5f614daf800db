import { type Outcome, ok } from "../core/model.ts";
import type { Clock } from "../engine/ports.ts";
import { tokenSchema } from "./answers.ts";
import { type Api, misshapen, sentenceOf, TOKEN_PATH, type Unauthorized } from "./api.ts";
import { appJwt } from "./jwt.ts";

/** A Connect client as tokens are asked for. */
export interface TokenClient {
  readonly clientKey: string;
  readonly workspace: string;
  readonly secret: string;
}

/** Tokens of Connect clients, each for its workspace, or for reading one repository of it and nothing else. */
export interface Tokens {
  /**
   * A token with more than ten minutes to live. Unauthorized: the client is not installed (any more), or this is not its
   * secret.
   */
  get(client: TokenClient, repository: string | null): Promise<Outcome<string> | Unauthorized>;
  /** A token that nobody else gets. */
  exchange(client: Omit<TokenClient, "workspace">): Promise<Outcome<string> | Unauthorized>;
  /** Forgets one token, because Bitbucket refused it. A newer one of the same client stays. */
  refused(client: TokenClient, token: string): void;
  /** Forgets all tokens of a workspace, those on their way included. */
  forget(workspace: string): void;
}

export interface TokenOptions {
  readonly api: Api;
  readonly appKey: string;
  readonly clock: Clock;
}

/** Longer than a clone should take: a token handed out must outlive what it is for. */
const MIN_LIFE_MS = 10 * 60_000;

/** Bounds the memory; a workspace that builds uses one, and one for each repository it builds. */
const MAX_CACHED = 10_000;

interface Minted {
  readonly workspace: string;
  readonly token: string;
  readonly expiresAt: number;
}

type Minting = Promise<Outcome<Minted> | Unauthorized>;

export function createTokens(options: TokenOptions): Tokens {
  const cached = new Map<string, Minted>();
  const pending = new Map<string, { readonly workspace: string; readonly minted: Minting }>();

  async function mintOnce(key: string, client: TokenClient, repository: string | null): Minting {
    const minted = mint(options, client, repository);
    const entry = { workspace: client.workspace, minted };
    pending.set(key, entry);
    try {
      const result = await minted;
      // Forgotten meanwhile: whoever waited may try it, nobody else gets it.
      if (result.ok && pending.get(key) === entry) remember(key, result.value);
      return result;
    } finally {
      if (pending.get(key) === entry) pending.delete(key);
    }
  }

  function remember(key: string, minted: Minted): void {
    cached.delete(key);
    cached.set(key, minted);
    for (const oldest of cached.keys()) {
      if (cached.size <= MAX_CACHED) break;
      cached.delete(oldest);
    }
  }

  return {
    async get(client, repository) {
      const key = keyOf(client, repository);
      const known = cached.get(key);
      if (known !== undefined && known.expiresAt - options.clock.now() >= MIN_LIFE_MS) return ok(known.token);
      const result = await (pending.get(key)?.minted ?? mintOnce(key, client, repository));
      return result.ok ? ok(result.value.token) : result;
    },
    async exchange(client) {
      const result = await mint(options, { ...client, workspace: "" }, null);
      return result.ok ? ok(result.value.token) : result;
    },
    refused(client, token) {
      for (const [key, minted] of cached) {
        if (minted.workspace === client.workspace && minted.token === token) cached.delete(key);
      }
    },
    forget(workspace) {
      for (const [key, minted] of cached) if (minted.workspace === workspace) cached.delete(key);
      for (const [key, entry] of pending) if (entry.workspace === workspace) pending.delete(key);
    },
  };
}

/**
 * Everything a token depends on, in a form in which no two different clients read the same. The secret is left out: a
 * token stays good when it changes, and whoever is installed anew is forgotten first.
 */
function keyOf(client: TokenClient, repository: string | null): string {
  return JSON.stringify([client.clientKey, client.workspace, repository]);
}

async function mint(options: TokenOptions, client: TokenClient, repository: string | null): Minting {
  const asked = options.clock.now();
  const first = await askForToken(options, client, repository);
  // Nothing but a token comes into being by asking, so asking again is harmless; once, for a passing fault.
  const answer = isPassing(first) ? await askForToken(options, client, repository) : first;
  if (!answer.ok) return answer;
  // Whatever it says, nothing was given out: another grant may still be good.
  if (answer.value.status !== 200) {
    return { ok: false, unauthorized: true, message: sentenceOf(answer.value), answer: answer.value };
  }
  const result = tokenSchema.safeParse(answer.value.body);
  if (!result.success) return misshapen(answer.value);
  const { access_token: token, expires_in: seconds } = result.data;
  return ok({ workspace: client.workspace, token, expiresAt: asked + seconds * 1_000 });
}

type Sent = Awaited<ReturnType<Api["send"]>>;

function isPassing(sent: Sent): boolean {
  return !sent.ok && "retryable" in sent && sent.retryable && sent.retryAfter === null;
}

/** Always of the configured site: where an installation says it is from is anybody's word. */
async function askForToken({ api, appKey, clock }: TokenOptions, client: TokenClient, repository: string | null) {
  const { clientKey, secret } = client;
  const jwt = appJwt({ appKey, clientKey, secret, method: "POST", path: TOKEN_PATH, nowMs: clock.now() });
  const form = {
    grant_type: "urn:bitbucket:oauth2:jwt",
    ...(repository === null ? {} : { scope: "repository", bitbucket_repository: repository }),
  };
  return api.send({ method: "POST", path: TOKEN_PATH, form }, `JWT ${jwt}`);
}
