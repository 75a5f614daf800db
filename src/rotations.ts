/** What `wharfinger rotate` does: one change of a secret after the other, each so that nothing stops meanwhile. */
import { createHmac, randomBytes, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Rotated, Rotation } from "./cli/rotate.ts";
import { type Config, type GithubConfig, newSecretKey, PREVIOUS_KEY_FILE, SECRET_KEY_FILE } from "./config.ts";
import { githubWebhookPath } from "./config-github.ts";
import { failed, type Outcome, ok } from "./core/model.ts";
import { createGithubAccess, type GithubAccess } from "./github/access.ts";
import { ensureKeyFile, readKeyFile, removeKeyFile, replaceKeyFile } from "./keys.ts";
import { createConfiguredSigner, newRequestKey, openConfiguredStore, REQUEST_KEY_FILE, systemClock } from "./parts.ts";
import { createRegistryClient } from "./registry/client.ts";
import { createStagingNames } from "./registry/staging.ts";
import { forgetFormerKey, openTokenKeys, TOKEN_BUNDLE_FILE, turnTokenKeys } from "./registry/token-keys.ts";
import { createTokenService } from "./registry/token-service.ts";
import type { OpenedStore } from "./store/store.ts";

export function createRotations(config: Config): readonly Rotation[] {
  return [
    {
      name: "secret-key",
      about: "SECRET_KEY, which seals the secrets in the database",
      rotate: ({ finish }) => (finish ? finishSecretKey(config) : rotateSecretKey(config)),
    },
    {
      name: "request-key",
      about: "the key that signs build requests",
      rotate: ({ finish }) => (finish ? finishRequestKey(config) : rotateRequestKey(config)),
    },
    {
      name: "registry-token-key",
      about: "the key that signs registry tokens",
      rotate: ({ finish }) => (finish ? finishTokenKey(config) : rotateTokenKey(config)),
    },
    ...appRotations(config, config.github, ""),
    ...config.githubHosts.flatMap((github) => appRotations(config, github, `:${github.host}`)),
  ];
}

/** `suffix`: what tells them from the default host's. */
function appRotations(config: Config, github: GithubConfig | null, suffix: string): readonly Rotation[] {
  const app = suffix === "" ? "the GitHub App" : `the App on ${suffix.slice(1)}`;
  const use = (act: (one: GithubConfig) => Promise<Outcome<Rotated>>) =>
    github === null ? Promise.resolve(refused("GitHub is not configured here.")) : act(github);
  return [
    {
      name: `webhook-secret${suffix}`,
      about: suffix === "" ? `WEBHOOK_SECRET of ${app}` : `the webhook secret of ${app}`,
      rotate: () => use((one) => rotateWebhookSecret(config, one, suffix)),
    },
    {
      name: `app-key${suffix}`,
      about: `${app}'s private key; --file names the new one, as GitHub made it`,
      rotate: ({ file }) => use((one) => rotateAppKey(config, one, { file, suffix })),
    },
  ];
}

const COMMAND = "wharfinger rotate";

async function withStore<T>(config: Config, use: (store: OpenedStore) => Promise<T>): Promise<T> {
  const store = await openConfiguredStore(config);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

function told(config: Config, subject: string): Promise<void> {
  return withStore(config, (store) =>
    store.appendAudit({ by: { kind: "operator" }, action: "key.rotated", installation: null, subject, facts: {} }),
  );
}

function refused(message: string): Outcome<never> {
  return failed(message, { retryable: false });
}

// ------------------------------------------------------------------------------------------------ SECRET_KEY

async function rotateSecretKey(config: Config): Promise<Outcome<Rotated>> {
  const { dataDir } = config;
  if (config.secretKey !== null) {
    if (config.secretKeyPrevious !== null) return finishSecretKey(config);
    return ok({
      done: ["SECRET_KEY is set in the environment, so the change is yours to make. A new key:", newSecretKey()],
      todo: [
        "Stop every process of this instance.",
        "Set SECRET_KEY_PREVIOUS to what SECRET_KEY is now, and SECRET_KEY to the new key.",
        "Start again: everything is sealed anew at that start.",
        `Run: ${COMMAND} secret-key --finish`,
      ],
    });
  }
  const current = readKeyFile(dataDir, SECRET_KEY_FILE);
  if (current === null) return refused(`There is no ${SECRET_KEY_FILE} yet: it is made at the first start.`);
  const previous = readKeyFile(dataDir, PREVIOUS_KEY_FILE);
  if (previous !== null && previous !== current) {
    return refused(`The last change of the key is not finished. Run: ${COMMAND} secret-key --finish`);
  }
  // In this order: whoever reads the files in between finds a key for whatever is sealed.
  replaceKeyFile(dataDir, PREVIOUS_KEY_FILE, current);
  replaceKeyFile(dataDir, SECRET_KEY_FILE, `${newSecretKey()}\n`);
  // Opening seals everything anew with the first key.
  await told(config, "secret-key");
  return ok({
    done: [`${join(dataDir, SECRET_KEY_FILE)} holds a new key, and everything in the database is sealed with it.`],
    todo: [
      "Back up the new key. Processes that run know of it already.",
      `In a minute, run: ${COMMAND} secret-key --finish`,
    ],
  });
}

async function finishSecretKey(config: Config): Promise<Outcome<Rotated>> {
  const { dataDir } = config;
  if (config.secretKey !== null) {
    if (config.secretKeyPrevious === null)
      return refused("SECRET_KEY_PREVIOUS is not set: there is nothing to finish.");
    // Opened with both, sealed with the first.
    await told(config, "secret-key");
    return ok({
      done: ["Everything in the database is sealed with SECRET_KEY."],
      todo: ["Take SECRET_KEY_PREVIOUS out of the environment."],
    });
  }
  if (readKeyFile(dataDir, PREVIOUS_KEY_FILE) === null) return refused("There is no change of the key to finish.");
  // Whatever was sealed with the former key in the meantime is sealed anew.
  await withStore(config, () => Promise.resolve());
  removeKeyFile(dataDir, PREVIOUS_KEY_FILE);
  return ok({ done: [`The former key, ${join(dataDir, PREVIOUS_KEY_FILE)}, is removed.`], todo: [] });
}

// ------------------------------------------------------------------------------------------ build requests

async function rotateRequestKey(config: Config): Promise<Outcome<Rotated>> {
  // Before the new key: the database has to know what signed those that wait.
  const former = createConfiguredSigner(config.dataDir);
  await withStore(config, (store) => store.saveRequestKey(former));
  replaceKeyFile(config.dataDir, REQUEST_KEY_FILE, newRequestKey());
  await told(config, "request-key");
  return ok({
    done: [`${join(config.dataDir, REQUEST_KEY_FILE)} holds a new key.`],
    todo: [
      "Restart the process that serves (`start` or `serve`): until then it signs with the former key.",
      "Builders of your own that check signatures ask GET /api/v1/keys for the new public key.",
      `When the builds that wait now are over, run: ${COMMAND} request-key --finish`,
    ],
  });
}

function finishRequestKey(config: Config): Promise<Outcome<Rotated>> {
  const { keyId } = createConfiguredSigner(config.dataDir);
  return withStore(config, async (store) => {
    if (!(await store.requestKeys()).some((key) => key.keyId === keyId)) {
      return refused("The new key has not signed yet: restart the process that serves first.");
    }
    const { retired, inUse } = await store.retireRequestKeys(keyId);
    const waiting = `Builds that wait were signed with ${inUse === 1 ? "a former key" : `${inUse} former keys`}.`;
    return ok({
      done: [`Nothing signed with ${retired === 1 ? "1 former key" : `${retired} former keys`} is taken any more.`],
      todo: inUse === 0 ? [] : [`${waiting} When they are over, run this again.`],
    });
  });
}

// ------------------------------------------------------------------------------------------ registry tokens

async function rotateTokenKey(config: Config): Promise<Outcome<Rotated>> {
  const { dataDir, registry } = config;
  if (registry === null) return refused("No registry is configured.");
  if (registry.credentials !== null) {
    return refused("This instance signs in to its registry with REGISTRY_USERNAME, and signs no tokens.");
  }
  const keys = openTokenKeys(dataDir, ensureKeyFile, systemClock.now());
  const trial = createTokenService({
    issuer: registry.tokens.issuer,
    service: registry.tokens.service ?? registry.name,
    kidFormat: registry.tokens.kid,
    keys: { current: keys.next },
    guests: null,
    staging: createStagingNames(registry.staging),
    clock: systemClock,
  });
  const client = createRegistryClient({ url: registry.url, username: null, password: null, issue: trial.issue });
  const trusted = await client.check();
  if (!trusted.ok) {
    return refused(
      `The registry does not take a token of the next key: ${trusted.message} Give it ${join(dataDir, TOKEN_BUNDLE_FILE)} and restart it, then run this again.`,
    );
  }
  turnTokenKeys(dataDir, ensureKeyFile, systemClock.now());
  await told(config, "registry-token-key");
  return ok({
    done: ["The next key, which the registry trusts already, is the current one now; there is a new next one."],
    todo: [
      "Restart the process that serves (`start` or `serve`): until then it signs with the former key.",
      `Six minutes after that, run: ${COMMAND} registry-token-key --finish`,
      `Then give the registry the new ${join(dataDir, TOKEN_BUNDLE_FILE)} and restart it.`,
    ],
  });
}

async function finishTokenKey({ dataDir }: Config): Promise<Outcome<Rotated>> {
  if (!forgetFormerKey(dataDir, ensureKeyFile, systemClock.now())) {
    return refused("There is no change of the key to finish.");
  }
  const bundle = join(dataDir, TOKEN_BUNDLE_FILE);
  return ok({
    done: [`${bundle} does not hold the former key's certificate any more.`],
    todo: [`Give it to the registry and restart that: from then on nothing of the former key is taken.`],
  });
}

// ---------------------------------------------------------------------------------------------- GitHub App

function accessOf(github: GithubConfig, privateKey = github.privateKey): GithubAccess {
  return createGithubAccess({ ...github, privateKey, clock: systemClock });
}

const PROBE_MS = 10_000;

async function rotateWebhookSecret(config: Config, github: GithubConfig, suffix: string): Promise<Outcome<Rotated>> {
  const [secret = "", former] = github.webhookSecrets;
  const [current, previous] =
    suffix === ""
      ? ["WEBHOOK_SECRET", "WEBHOOK_SECRET_PREVIOUS"]
      : ["the file of webhook_secret_path", "webhook_secret_previous_path"];
  if (former === undefined) {
    return ok({
      done: ["A new secret:", randomBytes(32).toString("hex")],
      todo: [
        suffix === ""
          ? "Set WEBHOOK_SECRET_PREVIOUS to what WEBHOOK_SECRET is now, and WEBHOOK_SECRET to the new secret."
          : `Copy ${current} of ${github.host} to one that ${previous} names, and put the new secret into the first.`,
        "Restart the process that serves: it takes both.",
        `Run this again, with the same configuration: ${COMMAND} webhook-secret${suffix} gives GitHub the new one.`,
      ],
    });
  }
  // GitHub signs with the new one at once, and does not repeat what is refused.
  const heard = await probe(`${config.publicUrl}${githubWebhookPath(github.host)}`, secret, github.appId);
  if (!heard.ok) return heard;
  const answer = await accessOf(github).asApp({ method: "PATCH", path: "/app/hook/config", body: { secret } });
  if (!answer.ok) return answer;
  if (answer.value.status !== 200) {
    return refused(`GitHub answered ${answer.value.status} to PATCH /app/hook/config. It still has the former secret.`);
  }
  await told(config, `webhook-secret${suffix}`);
  return ok({
    done: [`GitHub signs with ${suffix === "" ? current : "the new secret"} from now on.`],
    todo: [`In some minutes, take ${previous} out and restart the process that serves.`],
  });
}

/** Whether the server at this address takes what the secret signs; asked with a `ping`, as GitHub sends one. */
async function probe(url: string, secret: string, appId: number): Promise<Outcome<true>> {
  const body = JSON.stringify({ zen: "wharfinger rotate", hook_id: 1, hook: { type: "App", id: 1, app_id: appId } });
  const signature = createHmac("sha256", secret).update(body).digest("hex");
  const restart = "Restart the process that serves with the new WEBHOOK_SECRET first.";
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-github-event": "ping",
        "x-github-delivery": randomUUID(),
        "x-hub-signature-256": `sha256=${signature}`,
      },
      body,
      redirect: "manual",
      signal: AbortSignal.timeout(PROBE_MS),
    });
    await answer.body?.cancel();
    if (answer.ok) return ok(true);
    const why = answer.status === 401 ? "refuses the new secret" : `answered ${answer.status}`;
    return refused(`${url} ${why}. ${restart} GitHub still has the former secret.`);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return refused(`${url} can not be reached (${why}). GitHub still has the former secret.`);
  }
}

async function rotateAppKey(
  config: Config,
  github: GithubConfig,
  { file, suffix }: { readonly file: string | null; readonly suffix: string },
): Promise<Outcome<Rotated>> {
  const page = `${github.url}/settings/apps`;
  if (file === null) {
    return refused(
      `Generate a private key at ${page} → your App → Private keys, then run: ${COMMAND} app-key${suffix} --file KEY.pem`,
    );
  }
  const key = await readFile(file, "utf8");
  const answer = await accessOf(github, key).asApp({ method: "GET", path: "/app" });
  if (!answer.ok) return refused(`GitHub does not take this key for App ${github.appId}: ${answer.message}`);
  if (answer.value.status !== 200) return refused(`GET ${github.apiUrl}/app answered ${answer.value.status}.`);
  const after = [
    "Restart every process of this instance.",
    `Delete the former key at ${page} → your App → Private keys.`,
  ];
  if (github.privateKeyPath === null) {
    return ok({
      done: [`GitHub takes this key for App ${github.appId}.`],
      todo: [
        `Set PRIVATE_KEY to what ${file} holds (where the database has it: wharfinger settings set PRIVATE_KEY < ${file}).`,
        ...after,
      ],
    });
  }
  await told(config, `app-key${suffix}`);
  replaceKeyFile(dirname(github.privateKeyPath), basename(github.privateKeyPath), key);
  return ok({
    done: [`GitHub takes this key for App ${github.appId}; ${github.privateKeyPath} holds it now.`],
    todo: after,
  });
}
