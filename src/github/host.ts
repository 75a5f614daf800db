import { randomBytes } from "node:crypto";
import { Probot, ProbotOctokit } from "probot";
import type { HostEvent } from "../core/events.ts";
import { failed, ok } from "../core/model.ts";
import type { Host, Logger } from "../engine/ports.ts";
import type { GithubAccess } from "./access.ts";
import { redact } from "./api.ts";
import { githubApp } from "./app.ts";
import { readChangedPaths, readFile, readInstallation, readRepositories, readScope, readTags } from "./facts.ts";
import { readRole } from "./members.ts";
import { readHead } from "./pulls.ts";
import { readRepository, readTip } from "./repository.ts";
import { readSurvey } from "./survey.ts";

export interface GithubHostOptions {
  readonly access: GithubAccess;
  /** `https://github.com`: where people look, and where git clones from. */
  readonly webUrl: string;
  readonly log: Logger;
}

/** GitHub's reading side. */
export function createGithubHost(options: GithubHostOptions): Host {
  const { access, log } = options;
  const receive = createReceiver(access, log);
  return {
    provider: "github",
    host: access.host,
    receive,
    look: async () => ok({ kind: "as-told" }),
    repository: (installation, id) => readRepository(access, installation, id),
    tip: (installation, repository, ref) => readTip(access, installation, repository, ref),
    file: (installation, repository, at, path) => readFile(access, installation, repository, at, path),
    head: (event) => readHead(access, event),
    role: (installation, repository, actor) => readRole(access, installation, repository, actor),
    changedPaths: (installation, repository, change) => readChangedPaths(access, installation, repository, change),
    tags: (installation, repository) => readTags(access, installation, repository),
    survey: (installation, repository) => readSurvey(access, installation, repository),
    installation: (id) => readInstallation(access, id),
    repositories: (id) => readRepositories(access, id),
    async cloneCredential(installation, repository, further = []) {
      // Git sends the credential wherever the address points.
      const elsewhere = [repository, ...further].find((one) => !isSameOrigin(one.cloneUrl, options.webUrl));
      if (elsewhere !== undefined) {
        return failed(`The clone address of ${elsewhere.fullName} is not on this GitHub host.`, { retryable: false });
      }
      const token = await access.tokens.get(readScope(installation, repository, further));
      return token.ok ? ok({ username: "x-access-token", password: token.value }) : token;
    },
    forget: (installation) => access.tokens.forget(installation.id),
  };
}

function isSameOrigin(address: string, webUrl: string): boolean {
  return URL.canParse(address) && new URL(address).origin === new URL(webUrl).origin;
}

type Handle = (event: HostEvent) => Promise<void>;

/** Runs journalled deliveries through Probot. Its HTTP middleware is not used: what arrives here was verified and stored. */
function createReceiver(access: GithubAccess, log: Logger): Host["receive"] {
  const handlers = new Map<string, Handle>();
  let count = 0;

  async function start(): Promise<Probot> {
    const probot = new Probot({
      appId: access.appId,
      privateKey: access.privateKey,
      baseUrl: access.apiUrl,
      // Nothing is verified with it; left out, Probot would take a well-known one.
      secret: randomBytes(32).toString("hex"),
      Octokit: quietOctokit(),
      log: probotLog(log),
    });
    await probot.ready();
    await probot.load(githubApp((key, event) => handlerOf(key)(event), { host: access.host, appId: access.appId }));
    return probot;
  }

  function handlerOf(key: string): Handle {
    const handle = handlers.get(key);
    if (handle === undefined) throw new Error("Probot handled a delivery that nobody gave it.");
    return handle;
  }

  // Started with the first delivery: until then nobody would see it fail.
  let started: Promise<Probot> | null = null;

  return async function receive(delivery, handle) {
    started ??= start();
    const probot = await started;
    const payload = parsePayload(delivery.body);
    // One delivery may be in progress twice, when a lease was lost: the number keeps their handlers apart.
    count += 1;
    const key = `${delivery.deliveryId}#${count}`;
    handlers.set(key, handle);
    try {
      await probot.receive({ id: key, name: delivery.event, payload } as Parameters<Probot["receive"]>[0]);
    } catch (error) {
      throw withoutPayload(error);
    } finally {
      handlers.delete(key);
    }
  };
}

/** The entrance took nothing that is not JSON, so what is not was damaged since. V8's own error would quote it. */
function parsePayload(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    throw new Error("The stored body of the delivery is not JSON.");
  }
}

/** Probot wraps what handlers throw and pins the whole payload to it, which would then be logged. */
function withoutPayload(error: unknown): unknown {
  const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
  for (const item of errors) if (item instanceof Error && "event" in item) delete item.event;
  return errors.length === 1 ? errors[0] : new AggregateError(errors, "Several handlers of one delivery failed.");
}

type OctokitOptions = NonNullable<ConstructorParameters<typeof ProbotOctokit>[0]>;

/** Without the plugins that wait and repeat: the engine does both, and knows about shutdown. */
function quietOctokit(): typeof ProbotOctokit {
  return ProbotOctokit.defaults((options: OctokitOptions = {}) => ({
    ...options,
    // As a function: given as an object, Probot's own defaults win over it.
    throttle: { ...options["throttle"], enabled: false },
    retry: { enabled: false },
  }));
}

type PinoLike = NonNullable<NonNullable<ConstructorParameters<typeof Probot>[0]>["log"]>;

/**
 * Lets Probot's warnings through, as text. Its errors are left out: each of them rejects `receive` as well, and Probot
 * would log them with the payload.
 */
function probotLog(log: Logger): PinoLike {
  function warn(...parts: readonly unknown[]): void {
    const text = parts
      .map((part) => (part instanceof Error ? part.message : part))
      .filter((part) => typeof part === "string");
    log.warn({}, redact(text.join(" ")));
  }
  const drop = (): void => undefined;
  const logger = {
    level: "warn",
    fatal: drop,
    error: drop,
    warn,
    info: drop,
    debug: drop,
    trace: drop,
    silent: drop,
    child: () => logger,
  };
  // Probot asks for all of pino, and calls these.
  return logger as unknown as PinoLike;
}
