import express, { type Request, type Response } from "express";
import type { HostId, Installation } from "../core/model.ts";
import type { ListedRepository } from "../engine/store-port.ts";
import { deliveryAddress, installationAddress } from "./addresses.ts";
import { field } from "./forms.ts";
import { pageNumber } from "./installations.ts";
import { seenInstallation } from "./pages-installations.ts";
import { DONE, doneCode, repositoryOf, type Said, type SettingsFrame, type SettingsParts } from "./settings.ts";
import { change } from "./settings-changes.ts";
import { settingsData } from "./settings-page.ts";
import { repositorySettingsData } from "./settings-repository.ts";
import { nothingHere, type PageKit, type Visit } from "./visit.ts";

const INSTALLATION = "/installations/:provider/:host/:id";
const SETTINGS = `${INSTALLATION}/settings`;
const REPOSITORY = `${INSTALLATION}/repositories/:repository`;

/** A secret's 32 KiB take three times as much in a form. */
const readSettingsForm = express.urlencoded({ extended: false, limit: "128kb", parameterLimit: 20 });

/** Settings of an installation and of each of its repositories; forms are sent to the page they stand on. */
export function addSettingsPages({ formPage, send }: PageKit, parts: SettingsParts): void {
  async function show(req: Request, res: Response, visit: Visit, said: Said | null): Promise<void> {
    const { installation, repository } = await placeOf(parts, req, visit);
    const frame = frameOf(visit, installation, repository);
    res.status(said?.kind === "problem" ? said.status : 200);
    if (repository !== null) {
      const data = await repositorySettingsData(parts, visit, { installation, repository }, { frame, said });
      send(res, visit, "settings-repository", {
        ...data,
        title: `Settings of ${data.fullName}`,
        section: "installations",
      });
      return;
    }
    const at = { frame, said, page: pageNumber(req), audit: cursorOf(req) };
    const data = await settingsData(parts, visit, installation, at);
    send(res, visit, "settings", { ...data, title: `Settings of ${data.login}`, section: "installations" });
  }

  for (const path of [SETTINGS, REPOSITORY]) {
    formPage(
      path,
      async (req, res, visit) => {
        const what = doneCode(req.query["done"]);
        await show(req, res, visit, what === null ? null : { kind: "done", what });
      },
      async (req, res, visit) => {
        const place = await placeOf(parts, req, visit);
        const said = await change(parts, visit, { ...place, field: (name) => field(req, name) });
        if (said.kind === "done") {
          res.redirect(303, `${addressOf(place)}?done=${said.what}#${DONE[said.what][0]}`);
        } else if (said.kind === "shown" && said.shown.kind === "started") {
          res.redirect(303, `${deliveryAddress(said.shown.delivery)}?follow=yes`);
        } else {
          await show(req, res, visit, said);
        }
      },
      readSettingsForm,
    );
  }
}

/** What an address is about, for somebody who may see it; else as if there were nothing. */
async function placeOf(
  { store }: SettingsParts,
  req: Request,
  visit: Visit,
): Promise<{ readonly installation: Installation; readonly repository: ListedRepository | null }> {
  const installation = await seenInstallation(store, req, visit);
  const wanted = req.params["repository"];
  if (wanted === undefined) return { installation, repository: null };
  const repository = await repositoryOf(store, installation, wanted);
  if (repository === null) throw nothingHere(visit);
  // Its name, too, is for those only who may see it.
  await visit.see("build.see", { installation, repository });
  return { installation, repository };
}

function addressOf(place: { readonly installation: HostId; readonly repository: HostId | null }): string {
  const landing = installationAddress(place.installation);
  return place.repository === null
    ? `${landing}/settings`
    : `${landing}/repositories/${encodeURIComponent(place.repository.id)}`;
}

function frameOf({ session }: Visit, installation: HostId, repository: HostId | null): SettingsFrame {
  const landing = installationAddress(installation);
  return {
    action: addressOf({ installation, repository }),
    hidden: [{ name: "form_token", value: session.formToken }],
    links: { settings: `${landing}/settings`, landing },
  };
}

function cursorOf({ query }: Request): string | null {
  const { audit } = query;
  return typeof audit === "string" && /^[\x21-\x7e]{1,500}$/.test(audit) ? audit : null;
}
