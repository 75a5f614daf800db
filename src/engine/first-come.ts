import { ok } from "../core/model.ts";
import { namespaceFor } from "../core/namespaces.ts";
import type { Claims } from "./claims-port.ts";
import type { Store } from "./store-port.ts";

/** An account is granted the namespace of its name, if nobody else has had it. */
export function createFirstCome(store: Pick<Store, "getInstallation" | "grantNamespace">): Claims {
  return {
    async settle({ id, account }) {
      const namespace = (await store.getInstallation(id))?.namespace ?? namespaceFor(account);
      if (namespace === null) return ok({ kind: "none", why: "its name can be no namespace" });
      const { login } = account;
      const grant = {
        namespace,
        account,
        login,
        why: "its name",
        by: { kind: "service" },
        share: false,
        anyway: false,
        registry: "default",
      } as const;
      const given = await store.grantNamespace(grant);
      return given.kind === "given"
        ? ok({ kind: "owned", namespace: given.namespace })
        : ok({ kind: "none", why: "no namespace is free for it" });
    },
    withdraw: async () => undefined,
  };
}
