/** The stand-in as a whole. */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createConnect } from "./connect.ts";
import type { BitbucketHost, BitbucketHostOptions, HookInput } from "./contract.ts";
import { exhaust, HOURLY_LIMIT } from "./limits.ts";
import { createMoves } from "./moves.ts";
import { createPulls } from "./pulls.ts";
import { createPushes, type Pushes } from "./pushes.ts";
import { createWorkspaces } from "./repositories.ts";
import { createServers } from "./server.ts";
import { createState, type HookState, newUuid, type State, stateOf, timestamp, workspaceOf } from "./state.ts";
import { makeAccessToken } from "./tokens.ts";
import { createSender } from "./webhooks.ts";

const BITBUCKETS_PATIENCE_MS = 10_000;
const TOKEN_SECONDS = 7200;

export async function createBitbucketHost(options: BitbucketHostOptions = {}): Promise<BitbucketHost> {
  const state = createState({
    folder: await mkdtemp(join(tmpdir(), "bitbucket-host-")),
    hourlyLimit: options.hourlyLimit === undefined ? HOURLY_LIMIT : options.hourlyLimit,
    webhookTimeoutMs: options.webhookTimeoutMs ?? BITBUCKETS_PATIENCE_MS,
    retryDelayMs: options.retryDelayMs ?? 0,
    tokenSeconds: options.tokenSeconds ?? TOKEN_SECONDS,
    commitBeforeCallback: options.commitBeforeCallback ?? false,
    forkCommits: options.forkCommits ?? "known",
  });
  const sender = createSender(state);
  const connect = createConnect(state);
  const { api, web, inject } = createServers({ state, sender, connect });
  state.apiUrl = `http://127.0.0.1:${await listen(api)}`;
  state.url = `http://127.0.0.1:${await listen(web)}`;
  const pushes: Pushes = createPushes(state, sender, (repository, moves) => follow(repository, moves));
  const { follow, ...pulls } = createPulls(state, sender, pushes.tell);

  return {
    ...createWorkspaces(state),
    ...createMoves(state, sender, pushes),
    ...pulls,
    url: state.url,
    apiUrl: state.apiUrl,
    calls: state.calls,
    gitCalls: state.gitCalls,
    violations: state.violations,
    get issuedTokens() {
      return [...state.tokens.keys()];
    },
    deliveries: state.deliveries,
    unsent: state.unsent,
    callbacks: state.callbacks,
    hooks: state.hooks,
    installs: state.installs,

    consumer: state.consumer,
    accessToken: (input) => makeAccessToken(state, input),
    revoke({ token }) {
      const found = state.tokens.get(token);
      if (found === undefined) throw new Error("there is no such token");
      found.expiresAt = 0;
    },
    addHook(input) {
      const hook = hookOf(state, input);
      state.hooks.push(hook);
      return hook;
    },
    removeHook({ uuid }) {
      const at = state.hooks.findIndex((hook) => hook.uuid === uuid);
      if (at < 0) throw new Error(`there is no webhook ${uuid}`);
      state.hooks.splice(at, 1);
    },

    install: connect.install,
    uninstall: connect.uninstall,
    framePage: connect.framePage,
    appSecret: connect.appSecret,
    register: connect.register,
    consentPage: connect.consentPage,
    landing: connect.landing,
    jwt: connect.jwt,

    deliver: (event, payload, { workspace, repository }) =>
      sender.send(event, payload, {
        workspace: workspaceOf(state, workspace),
        repository: repository === undefined ? null : stateOf(state, repository),
      }),
    redeliver: (requestUuid) => sender.redeliver(requestUuid),
    settled: () => sender.settled(),

    expireTokens() {
      for (const token of state.tokens.values()) if (token.kind === "connect") token.expiresAt = 0;
    },
    exhaust: (of) => exhaust(state, "clientKey" in of ? of.clientKey : of.token),
    advance: state.advance,
    inject,
    async close() {
      await sender.close();
      for (const server of [api, web]) {
        server.close();
        server.closeAllConnections();
      }
      await rm(state.folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

function hookOf(state: State, input: HookInput): HookState {
  const repository = input.repository === undefined ? null : stateOf(state, input.repository);
  const workspace = repository?.workspace ?? input.workspace;
  if (workspace === undefined || (repository !== null && input.workspace !== undefined)) {
    throw new Error("a webhook is of either a workspace or a repository");
  }
  return {
    uuid: newUuid(),
    workspace: workspaceOf(state, workspace),
    repository,
    url: input.url,
    description: input.description ?? "",
    events: input.events,
    active: input.active ?? true,
    secret: input.secret ?? null,
    createdOn: timestamp(state.now()),
    skipCertVerification: false,
  };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the stand-in has no port");
  return address.port;
}
