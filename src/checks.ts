/** What `wharfinger doctor` tries, with what to do when it fails. */
import { accessSync, constants, mkdirSync } from "node:fs";
import pino from "pino";
import type { CheckResult, DoctorCheck } from "./cli/parts.ts";
import type { Config } from "./config.ts";
import { createGithubAccess } from "./github/access.ts";
import {
  createConfiguredBuildah,
  createConfiguredRegistry,
  GITHUB_WEBHOOK_PATH,
  openConfiguredStore,
  systemClock,
} from "./parts.ts";
import { withoutPassword } from "./store/postgres-url.ts";

export function doctorChecks(config: Config): readonly DoctorCheck[] {
  return [
    { name: "data folder", run: () => checkDataFolder(config) },
    { name: "database", run: () => checkDatabase(config) },
    { name: "GitHub App", run: () => checkGithub(config) },
    { name: "registry", run: () => checkRegistry(config) },
    { name: "builder", run: () => checkBuilder(config) },
    { name: "public address", run: () => checkPublicUrl(config) },
  ];
}

function good(detail: string): CheckResult {
  return { ok: true, detail, todo: "" };
}

function bad(detail: string, todo: string): CheckResult {
  return { ok: false, detail, todo };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function checkDataFolder({ dataDir }: Config): Promise<CheckResult> {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
    return good(`${dataDir} can be written to`);
  } catch (error) {
    return bad(messageOf(error), "Make the folder, owned by the user Wharfinger runs as, or set DATA_DIR.");
  }
}

async function checkDatabase(config: Config): Promise<CheckResult> {
  try {
    const store = await openConfiguredStore(config);
    try {
      await store.ping();
      const { deliveriesPending, builds } = await store.stats();
      return good(
        `${withoutPassword(config.databaseUrl)}: ${deliveriesPending} deliveries wait, ${builds.queued} builds are queued`,
      );
    } finally {
      await store.close();
    }
  } catch (error) {
    return bad(messageOf(error), "A new or older database is brought up to date by: wharfinger migrate");
  }
}

async function checkGithub({ github }: Config): Promise<CheckResult> {
  if (github === null)
    return bad("not configured", "Set APP_ID, PRIVATE_KEY and WEBHOOK_SECRET (wharfinger start says how).");
  const access = createGithubAccess({ host: "default", ...github, clock: systemClock });
  const answer = await access.asApp({ method: "GET", path: "/app" });
  if (!answer.ok)
    return bad(answer.message, "Check APP_ID, the private key, GITHUB_API_URL, and this machine's clock.");
  if (answer.value.status !== 200) {
    return bad(`GET ${github.apiUrl}/app answered ${answer.value.status}`, "Check GITHUB_API_URL and APP_ID.");
  }
  return good(`${github.apiUrl} knows app ${github.appId}`);
}

async function checkRegistry({ registry, dataDir }: Config): Promise<CheckResult> {
  if (registry === null) return bad("not configured", "Set REGISTRY_URL.");
  const answer = await createConfiguredRegistry({ registry, dataDir }, systemClock, null).registry.check();
  if (answer.ok)
    return good(`${registry.url} answers${registry.credentials === null ? "" : " and takes the credentials"}`);
  return bad(answer.message, "Check REGISTRY_URL, REGISTRY_USERNAME and REGISTRY_PASSWORD.");
}

async function checkBuilder(config: Config): Promise<CheckResult> {
  if (config.builder === "webhook") return good("builders elsewhere claim what there is to build; none is needed here");
  const registry = config.registry ?? { name: "localhost", insecure: false, credentials: null };
  const builder = createConfiguredBuildah(config, registry, pino({ level: "silent" }));
  const missing = await builder.check();
  if (missing.length === 0) return good(`${builder.name} has what it needs`);
  return bad(
    `${builder.name} lacks ${missing.length === 1 ? "something" : `${missing.length} things`}`,
    missing.join("\n"),
  );
}

async function checkPublicUrl({ publicUrl }: Config): Promise<CheckResult> {
  const url = new URL(publicUrl);
  const webhook = `${publicUrl}${GITHUB_WEBHOOK_PATH}`;
  const local = url.hostname === "localhost" || url.hostname === "[::1]" || /^127\./.test(url.hostname);
  if (local) return good(`${publicUrl}: only this machine reaches it; GitHub needs a public address for ${webhook}`);
  if (url.protocol !== "https:")
    return bad(`${publicUrl} is not https`, "Put a TLS proxy in front and set PUBLIC_URL.");
  return good(`the GitHub App's webhook URL is ${webhook}`);
}
