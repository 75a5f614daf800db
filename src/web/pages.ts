import type { Router } from "express";
import type { Authorizer } from "../engine/authorize.ts";
import type { Gate } from "./auth.ts";
import { addBuildPages, type BuildPages } from "./pages-builds.ts";
import { addDeliveryPages } from "./pages-deliveries.ts";
import { addInstallationPages, type InstallationPages } from "./pages-installations.ts";
import { addSettingsPages } from "./pages-settings.ts";
import type { SettingsParts } from "./settings.ts";
import type { Views } from "./views.ts";
import { createPageKit } from "./visit.ts";

export interface PagesOptions extends BuildPages, InstallationPages {
  readonly store: BuildPages["store"] & InstallationPages["store"];
  readonly settings: SettingsParts;
  readonly gate: Gate;
  readonly views: Views;
  readonly authorizer: Authorizer;
}

/** The pages people see, all behind the gate. */
export function createPages(options: PagesOptions): Router {
  const kit = createPageKit(options);
  addBuildPages(kit, options);
  addDeliveryPages(kit, options);
  addInstallationPages(kit, options);
  addSettingsPages(kit, options.settings);
  return kit.router;
}
