/** The stand-in as a whole: what happens when somebody pushes, installs, suspends, presses *Re-run*. */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type {
  EventDelivery,
  GithubHost,
  GithubHostOptions,
  HostAccount,
  HostCheckRun,
  HostInstallation,
  HostRepository,
} from "./contract.ts";
import { installOn } from "./installs.ts";
import { allowanceOf, HOURLY_LIMIT } from "./limits.ts";
import { createMoves } from "./moves.ts";
import {
  checkRunPayload,
  checkSuitePayload,
  type InstallationAction,
  installationPayload,
  memberRemovedPayload,
  pingPayload,
  repositoriesPayload,
} from "./payloads.ts";
import { createPulls } from "./pulls.ts";
import { createPushes } from "./pushes.ts";
import { createQueue } from "./queue.ts";
import { createHostRepository, findAccount, forkRepository, personOf, stateOf } from "./repositories.ts";
import { createApiServer } from "./server.ts";
import { accountShape } from "./shapes.ts";
import {
  type CheckRunState,
  coveredRepositories,
  createState,
  DEFAULT_PERMISSIONS,
  type InstallationState,
  installationOf,
  membershipKey,
  roleKey,
  type State,
  timestamp,
} from "./state.ts";
import { createSender, notSent } from "./webhooks.ts";

/** Of a push with more branches than this GitHub tells nobody anything. */
const MOST_BRANCHES = 5000;
const GITHUBS_PATIENCE_MS = 10_000;
const ENTERPRISE_PATIENCE_MS = 30_000;

export async function createGithubHost(options: GithubHostOptions = {}): Promise<GithubHost> {
  const folder = await mkdtemp(join(tmpdir(), "github-host-"));
  const basePath = options.basePath ?? "";
  const enterprise = basePath !== "";
  const state = createState({
    appId: options.appId ?? 1_000_001,
    tokenFormat: options.tokenFormat ?? "classic",
    webhook: options.webhook ?? null,
    folder,
    enterprise,
    hourlyLimit: options.hourlyLimit === undefined ? (enterprise ? null : HOURLY_LIMIT) : options.hourlyLimit,
    secondaryLimits: options.secondaryLimits ?? null,
    longestTree: options.longestTree ?? 100_000,
    mostBranches: options.mostBranches ?? MOST_BRANCHES,
  });
  const patience = enterprise ? ENTERPRISE_PATIENCE_MS : GITHUBS_PATIENCE_MS;
  const sender = createSender(state, options.webhookTimeoutMs ?? patience);
  const world = { state, sender };
  const { server, inject } = createApiServer(world, basePath);
  state.url = `http://127.0.0.1:${await listen(server)}`;
  state.apiUrl = state.url + basePath;
  const { move, ...pushes } = createPushes(state, sender, (moved) => follow(moved));
  const { follow, merged, ...pulls } = createPulls(state, sender, move);

  function installationState(installation: HostInstallation): InstallationState {
    const found = state.installations.find((item) => item.id === installation.id && !item.removed);
    if (found === undefined) throw new Error(`installation ${installation.id} is not there (any more)`);
    return found;
  }

  /** Changes an installation and tells the app. */
  async function installationEvent(
    installation: HostInstallation,
    action: InstallationAction,
    change: (installation: InstallationState) => void,
  ): Promise<EventDelivery> {
    const changed = installationState(installation);
    const repositories = coveredRepositories(state, changed);
    change(changed);
    changed.updatedAt = timestamp(state.now());
    return sender.send(
      "installation",
      installationPayload(state, changed, action, repositories, personOf(state, changed.account)),
    );
  }

  async function repositoriesEvent(
    installation: HostInstallation,
    change: { readonly added: readonly HostRepository[]; readonly removed: readonly HostRepository[] },
  ): Promise<EventDelivery> {
    const changed = installationState(installation);
    const gone = new Set(change.removed.map((repository) => repository.id));
    if (changed.repositories !== "all" || gone.size > 0) {
      const left = coveredRepositories(state, changed).filter((repository) => !gone.has(repository.id));
      changed.repositories = [...left, ...change.added.map((repository) => stateOf(state, repository))];
    }
    changed.updatedAt = timestamp(state.now());
    if (changed.suspended) return notSent();
    return sender.send(
      "installation_repositories",
      repositoriesPayload(state, changed, change, personOf(state, changed.account)),
    );
  }

  /** The app is there, not suspended, and may write checks: then its buttons exist. */
  function hasChecks(repository: HostRepository): boolean {
    const installation = installationOf(state, repository);
    return installation !== null && !installation.suspended && installation.permissions["checks"] === "write";
  }

  function runOf({ id }: HostCheckRun): CheckRunState {
    const run = state.checkRuns.find((item) => item.id === id);
    if (run === undefined) throw new Error(`there is no check run ${id}`);
    return run;
  }

  /** Somebody presses something beside a check. */
  async function askOf(
    checkRun: HostCheckRun,
    action: "rerequested" | { readonly requested: string },
    by?: HostAccount,
  ): Promise<EventDelivery> {
    const run = runOf(checkRun);
    const repository = stateOf(state, run.repository);
    if (!hasChecks(repository)) return notSent();
    const person = by ?? personOf(state, repository.owner);
    return sender.send("check_run", checkRunPayload(state, repository, run, action, person));
  }

  return {
    ...pushes,
    ...pulls,
    ...createQueue(state, sender, { move, merged }),
    ...createMoves(state, sender),
    url: state.url,
    apiUrl: state.apiUrl,
    appId: state.appId,
    privateKey: state.privateKey,
    clientId: state.clientId,
    clientSecret: state.clientSecret,
    get userTokens() {
      return [...state.userTokens.keys()];
    },
    calls: state.calls,
    gitCalls: state.gitCalls,
    violations: state.violations,
    get issuedTokens() {
      return [...state.tokens.keys()];
    },
    deliveries: state.deliveries,
    setWebhook(webhook) {
      state.webhook = webhook;
    },
    setCallbackUrls(urls) {
      state.callbackUrls = urls;
    },
    revokeAuthorization(by) {
      for (const [token, { account }] of state.userTokens) if (account.id === by.id) state.userTokens.delete(token);
      return sender.send("github_app_authorization", { action: "revoked", sender: accountShape(state, by) });
    },
    removeMember(organization, person) {
      state.memberships.set(membershipKey(organization, person), null);
      const installation = state.installations.find((one) => one.account.id === organization.id && !one.removed);
      if (installation === undefined) return Promise.resolve(notSent());
      return sender.send("organization", memberRemovedPayload(state, installation, person));
    },
    organization: (login) => findAccount(state, login, "Organization"),
    user: (login) => findAccount(state, login, "User"),
    repository: (owner, name, more = {}) => createHostRepository(state, owner, name, more),
    fork: (repository, owner) => forkRepository(state, repository, owner),

    async install(on, { repositories = "all", permissions = DEFAULT_PERMISSIONS } = {}) {
      const { installation, delivery } = installOn(world, on, { repositories, permissions });
      return Object.assign(installation, { delivery: await delivery });
    },
    uninstall: (installation) =>
      installationEvent(installation, "deleted", (item) => {
        item.removed = true;
      }),
    suspend: (installation) =>
      installationEvent(installation, "suspend", (item) => {
        item.suspended = true;
      }),
    unsuspend: (installation) =>
      installationEvent(installation, "unsuspend", (item) => {
        item.suspended = false;
      }),
    grant: (installation, permissions) =>
      installationEvent(installation, "new_permissions_accepted", (item) => {
        item.permissions = { metadata: "read", ...permissions };
      }),
    addRepositories: (installation, added) => repositoriesEvent(installation, { added, removed: [] }),
    removeRepositories: (installation, removed) => repositoriesEvent(installation, { added: [], removed }),
    expireTokens() {
      for (const token of state.tokens.values()) token.expiresAt = state.now();
    },
    exhaust(installation) {
      if (state.hourlyLimit === null) throw new Error("this host keeps no hourly limit");
      allowanceOf(state, installation.id).used = state.hourlyLimit;
    },
    advance: state.advance,

    setRole(repository, person, role) {
      if (role === null) state.roles.delete(roleKey(repository, person));
      else state.roles.set(roleKey(repository, person), role);
    },
    setMembership(organization, person, membership) {
      state.memberships.set(membershipKey(organization, person), membership);
    },
    rerequest: (checkRun) => askOf(checkRun, "rerequested"),
    async pressButton(checkRun, identifier, by) {
      const run = runOf(checkRun);
      if (run.status !== "completed" || !run.actions.some((action) => action.identifier === identifier)) {
        throw new Error(`the check has no button ${identifier} to press`);
      }
      return askOf(checkRun, { requested: identifier }, by);
    },
    async rerequestSuite(of, sha) {
      const repository = stateOf(state, of);
      if (!hasChecks(repository)) return notSent();
      const runs = state.checkRuns.filter((run) => run.repository.id === repository.id && run.headSha === sha);
      return sender.send(
        "check_suite",
        await checkSuitePayload(state, repository, runs, personOf(state, repository.owner)),
      );
    },
    ping: () => sender.send("ping", pingPayload(state, state.webhook?.url ?? "")),
    deliver: (event, payload, more) => sender.send(event, payload, more),
    async redeliver(guid) {
      const attempt = state.deliveries.findLast((item) => item.guid === guid);
      if (attempt === undefined) throw new Error(`there is no delivery ${guid}`);
      return sender.redeliver(attempt);
    },
    settled: () => sender.settled(),
    inject,
    async close() {
      await sender.close();
      await shut(server, state);
    },
  };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the stand-in has no port");
  return address.port;
}

async function shut(server: Server, state: State): Promise<void> {
  server.close();
  server.closeAllConnections();
  await rm(state.folder, { recursive: true, force: true, maxRetries: 3 });
}
