import { type ConnectClients, parseClientKey, secretsOf } from "./clients.ts";

/** What atlassian-connect-express reads of a client. */
export interface ClientInfo {
  readonly clientKey: string;
  readonly sharedSecret: string;
  readonly baseUrl: string;
  readonly key: string;
}

/** The store as atlassian-connect-express calls it: only its way to verify the tokens of pages. */
export interface ConnectStore {
  get(name: unknown, clientKey: unknown): Promise<ClientInfo | null>;
  set(): Promise<never>;
  saveInstallation(): Promise<never>;
  del(): Promise<never>;
  getAllClientInfos(): Promise<readonly ClientInfo[]>;
  getClientSettingsForForgeInstallation(): Promise<null>;
  deleteAssociation(): Promise<never>;
  forForgeInstallation(): never;
  isMemoryStore(): boolean;
}

/**
 * Gives the library the proven clients, and nothing to write: it would take any first install for a true one. Who is a
 * client changes by lifecycle calls (`lifecycle.ts`) and proofs (`prove.ts`).
 */
export function createConnectStore(options: {
  readonly clients: Pick<ConnectClients, "find">;
  readonly appKey: string;
  readonly appSecret: string | null;
  readonly webUrl: string;
}): ConnectStore {
  const { clients, appKey, appSecret, webUrl } = options;
  return {
    async get(name, clientKey) {
      // It asks with whatever a token says, lists and objects included.
      if (name !== "clientInfo" || typeof clientKey !== "string" || parseClientKey(clientKey, appKey) === null) {
        return null;
      }
      const [sharedSecret] = secretsOf(await clients.find(clientKey), appSecret);
      return sharedSecret === undefined ? null : { clientKey, sharedSecret, baseUrl: webUrl, key: appKey };
    },
    set: refuse,
    saveInstallation: refuse,
    del: refuse,
    getAllClientInfos: async () => [],
    getClientSettingsForForgeInstallation: async () => null,
    deleteAssociation: refuse,
    forForgeInstallation() {
      throw new Error("This app is not installed through Forge.");
    },
    isMemoryStore: () => false,
  };
}

async function refuse(): Promise<never> {
  throw new Error("Clients change by signed lifecycle calls only.");
}
