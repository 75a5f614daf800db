/** Makes the parts of Bitbucket: two doors, one adapter. */
import { join } from "node:path";
import express from "express";
import { createBitbucketAccess } from "./bitbucket/access.ts";
import { createConnectEntrance } from "./bitbucket/addon.ts";
import { createConnectClients } from "./bitbucket/clients.ts";
import { createSignedWebhookEntrance } from "./bitbucket/hooks.ts";
import { createBitbucketHost } from "./bitbucket/host.ts";
import { createLifecycle } from "./bitbucket/lifecycle.ts";
import { createBitbucketPermissionBook } from "./bitbucket/permission-book.ts";
import { createProver } from "./bitbucket/prove.ts";
import { createBitbucketReporter } from "./bitbucket/reporter.ts";
import type { BitbucketConfig } from "./config-bitbucket.ts";
import type { GrantStore } from "./engine/grants-port.ts";
import type { Clock, Logger } from "./engine/ports.ts";
import { createRefReader } from "./git/refs.ts";
import type { AddonParts, HostParts } from "./server-parts.ts";
import { packageRoot } from "./version.ts";

const DESCRIPTOR = join(packageRoot, "atlassian-connect.json");

/** Name of the one Bitbucket Cloud there is. */
const HOST = "default";

export interface BitbucketParts extends HostParts {
  /** Null: the Connect add-on is not served. */
  readonly addon: AddonParts | null;
}

export interface BitbucketOptions {
  readonly grants: GrantStore;
  readonly publicUrl: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** Variables of the process, which the Connect library would read too. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Signed webhooks are always taken: connections are made while the program runs. The Connect add-on is there for whoever
 * configured it.
 */
export function createBitbucketParts(config: BitbucketConfig, options: BitbucketOptions): BitbucketParts {
  const { grants, clock, log, environment } = options;
  const access = createConfiguredAccess(config, options);
  const reading: HostParts = {
    entrances: [createSignedWebhookEntrance({ host: HOST, grants, clock })],
    host: createBitbucketHost({ access, grants, clock, log }),
    reporter: createBitbucketReporter({ access }),
    permissions: createBitbucketPermissionBook(config.url),
    budgets: ({ id }) => access.budgets(id),
    refs: createRefReader({ told: "commit" }),
  };
  if (!config.connect) return { ...reading, addon: null };
  const { appKey, appSecret } = config;
  const clients = createConnectClients({ grants, clock });
  const door = { host: HOST, baseUrl: options.publicUrl, appKey, appSecret, clients, clock };
  return {
    ...reading,
    entrances: [...reading.entrances, createConnectEntrance(door)],
    addon: {
      prover: createProver({ access, grants, clients, clock, log }),
      async routes({ onCandidate, ...pages }) {
        const { createConnectApp } = await import("./bitbucket/connect-app.ts");
        const signIn = config.clientId !== null && config.clientSecret !== null;
        const common = { ...door, publicUrl: options.publicUrl, webUrl: config.url, log };
        return express
          .Router()
          .use(createLifecycle({ ...common, grants, forget: access.forget, onCandidate }))
          .use(await createConnectApp({ ...common, ...pages, access, signIn, descriptor: DESCRIPTOR, environment }));
      },
    },
  };
}

export function createConfiguredAccess(
  { url: webUrl, apiUrl, appKey, appSecret }: BitbucketConfig,
  { grants, clock }: { readonly grants: Pick<GrantStore, "connectClientsOf" | "connectionsOf">; readonly clock: Clock },
): ReturnType<typeof createBitbucketAccess> {
  return createBitbucketAccess({ host: HOST, webUrl, apiUrl, appKey, appSecret, grants, clock });
}
