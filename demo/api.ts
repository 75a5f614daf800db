/** The program's own JSON API, as a script would use it. */

export interface ApiDelivery {
  readonly id: string;
  readonly deliveryId: string;
  readonly outcome: string;
  readonly note: string | null;
  readonly builds: readonly string[];
  readonly decisions: readonly { readonly detail: string }[];
}

export interface ApiBuild {
  readonly id: string;
  readonly state: string;
  readonly image: string;
  readonly tags: readonly string[];
  readonly digest: string | null;
}

export interface ApiInstallation {
  readonly id: string;
  readonly namespace: string | null;
}

export interface ApiClaim {
  readonly id: string;
  readonly namespace: string | null;
  readonly why: string;
}

export interface ApiReceipt {
  readonly closedAt: string | null;
  readonly items: readonly { readonly what: string; readonly state: string; readonly detail: string }[];
}

export interface Api {
  /** By the host's own id; null: not known (yet). */
  delivery(guid: string): Promise<ApiDelivery | null>;
  build(id: string): Promise<ApiBuild>;
  /** Where a build pushes to, from the request its builder got. */
  staging(id: string): Promise<{ readonly repository: string; readonly tag: string }>;
  /** The log from byte `offset`; empty when there is nothing more (yet). */
  log(id: string, offset: number): Promise<Buffer>;
  installation(id: string): Promise<ApiInstallation | null>;
  /** Those that wait for the operator. */
  claims(): Promise<readonly ApiClaim[]>;
  /** Null: nothing was uninstalled there (yet). */
  receipt(provider: string, id: string): Promise<ApiReceipt | null>;
}

export function createApi(url: string, token: string): Api {
  async function get(path: string): Promise<Response> {
    return fetch(`${url}/api/v1${path}`, { headers: { authorization: `Bearer ${token}` } });
  }
  async function json<T>(path: string): Promise<T> {
    const response = await get(path);
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }
  return {
    async delivery(guid) {
      const page = await json<{ items: ApiDelivery[] }>("/deliveries?limit=20");
      return page.items.find((one) => one.deliveryId === guid) ?? null;
    },
    build: (id) => json<ApiBuild>(`/builds/${id}`),
    async staging(id) {
      interface Signed {
        readonly request: {
          readonly image: { readonly staging: { readonly repository: string; readonly tag: string } };
        };
      }
      return (await json<Signed>(`/builds/${id}/request`)).request.image.staging;
    },
    async log(id, offset) {
      const response = await get(`/builds/${id}/log?offset=${offset}`);
      return response.ok ? Buffer.from(await response.arrayBuffer()) : Buffer.alloc(0);
    },
    async installation(id) {
      const page = await json<{ items: ApiInstallation[] }>("/installations?limit=100");
      return page.items.find((one) => one.id === id) ?? null;
    },
    async claims() {
      return (await json<{ items: ApiClaim[] }>("/claims?limit=100")).items;
    },
    async receipt(provider, id) {
      const response = await get(`/installations/${provider}/default/${id}/receipt`);
      return response.ok ? ((await response.json()) as ApiReceipt) : null;
    },
  };
}
