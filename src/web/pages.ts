import type { Router } from "express";
import type { Authorizer } from "../engine/authorize.ts";
import type { Gate } from "./auth.ts";
import type { AdminParts } from "./operations.ts";
import { addAdminPages } from "./pages-admin.ts";
import { addBuildPages, type BuildPages } from "./pages-builds.ts";
import { addDeliveryPages, type DeliveryPages } from "./pages-deliveries.ts";
import { addInstallationPages, type InstallationPages } from "./pages-installations.ts";
import { addSettingsPages } from "./pages-settings.ts";
import { addStatusPages } from "./pages-status.ts";
import type { SettingsParts } from "./settings.ts";
import type { Views } from "./views.ts";
import { createPageKit } from "./visit.ts";

export interface PagesOptions extends BuildPages {
  readonly store: BuildPages["store"] & DeliveryPages["store"] & InstallationPages["store"];
  readonly settings: SettingsParts;
  /** Left out: there are no pages of the instance itself, and no status. */
  readonly admin?: AdminParts;
  readonly gate: Gate;
  readonly views: Views;
  readonly authorizer: Authorizer;
}

/** The pages people see, all behind the gate. */
export function createPages(options: PagesOptions): Router {
  const kit = createPageKit(options);
  addBuildPages(kit, options);
  addDeliveryPages(kit, options);
  addInstallationPages(kit, { ...options.settings, store: options.store });
  addSettingsPages(kit, options.settings);
  if (options.admin !== undefined) {
    addStatusPages(kit, options.admin);
    addAdminPages(kit, options.admin);
  }
  return kit.router;
}
