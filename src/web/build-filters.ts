/** What somebody looks for in the list of builds: read from the page's address, and shown again in its form. */
import type { Request } from "express";
import { z } from "zod";
import { type Build, type BuildState, FAILURE_CLASSES } from "../core/model.ts";
import type { BuildFilter } from "../engine/store-port.ts";
import { STATE_TEXTS } from "./present.ts";
import { HOST_KEY, readQuery } from "./requests.ts";

/** A field of a form that was left empty asks for nothing. */
const blank = <T>(schema: z.ZodType<T>) =>
  z.preprocess((value) => (typeof value === "string" && value.trim() === "" ? undefined : value), schema.optional());
const words = (what: string, longest: number) => {
  const wrong = `${what} must be one text of at most ${longest} characters.`;
  return blank(z.string(wrong).trim().max(longest, wrong));
};

const STATES = Object.keys(STATE_TEXTS) as readonly BuildState[];
const TRIGGERS: Readonly<Record<Build["trigger"], string>> = {
  event: "a push or pull request",
  rerun: "a re-run on the host",
  retry: "a retry",
  manual: "somebody",
};

const QUERY = z.object({
  state: blank(z.enum(STATES, `state must be one of ${STATES.join(", ")}.`)),
  repository: words("repository", 300),
  image: words("image", 300),
  ref: words("ref", 300),
  installation: blank(HOST_KEY),
  trigger: blank(
    z.enum(
      Object.keys(TRIGGERS) as readonly Build["trigger"][],
      `trigger must be one of ${Object.keys(TRIGGERS).join(", ")}.`,
    ),
  ),
  failure: blank(z.enum(FAILURE_CLASSES, `failure must be one of ${FAILURE_CLASSES.join(", ")}.`)),
});

/** What people look for most: what goes on, what waits, what went wrong. */
const TABS: readonly { readonly text: string; readonly state: BuildState | undefined }[] = [
  { text: "All", state: undefined },
  { text: "Running", state: "running" },
  { text: "Queued", state: "queued" },
  { text: "Held", state: "held" },
  { text: "Failed", state: "failed" },
];

export interface AskedFilter {
  readonly filter: BuildFilter;
  readonly view: FilterView;
}

/** For the form: what it holds, and what there is to choose from. */
export interface FilterView {
  readonly any: boolean;
  /** More than what the tabs show. */
  readonly open: boolean;
  /** By state, keeping what else is asked. */
  readonly tabs: readonly { readonly href: string; readonly text: string; readonly chosen: boolean }[];
  readonly repository: string;
  readonly image: string;
  readonly ref: string;
  /** `PROVIDER:HOST:ID`; empty: of any. */
  readonly installation: string;
  readonly states: readonly Choice[];
  readonly triggers: readonly Choice[];
  readonly failures: readonly Choice[];
}

interface Choice {
  readonly value: string;
  readonly text: string;
  readonly chosen: boolean;
}

/** Throws 400 with what is wrong. */
export function askedFilter(req: Request): AskedFilter {
  const { state, repository, image, ref, installation, trigger, failure } = readQuery(QUERY, req);
  const filter: BuildFilter = {
    ...(state !== undefined && { state }),
    ...(repository !== undefined && { repositoryName: repository }),
    ...(image !== undefined && { image }),
    ...(ref !== undefined && { refs: ref.startsWith("refs/") ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`] }),
    ...(installation !== undefined && { installation }),
    ...(trigger !== undefined && { trigger }),
    ...(failure !== undefined && { failure }),
  };
  const choices = (texts: Readonly<Record<string, string>>, chosen: string | undefined) =>
    Object.entries(texts).map(([value, text]) => ({ value, text, chosen: value === chosen }));
  return {
    filter,
    view: {
      any: Object.keys(filter).length > 0,
      open: Object.keys(filter).some((name) => name !== "state") || TABS.every((tab) => tab.state !== state),
      tabs: TABS.map(({ text, state: of }) => ({ href: tabOf(req, of), text, chosen: of === state })),
      repository: repository ?? "",
      image: image ?? "",
      ref: ref ?? "",
      installation: String(installation === undefined ? "" : req.query["installation"]),
      states: choices(STATE_TEXTS, state),
      triggers: choices(TRIGGERS, trigger),
      failures: FAILURE_CLASSES.map((value) => ({ value, text: value, chosen: value === failure })),
    },
  };
}

function tabOf({ query }: Request, state: BuildState | undefined): string {
  const kept = Object.keys(QUERY.shape).flatMap((name): [string, string][] => {
    const value = name === "state" ? state : query[name];
    return typeof value === "string" && value !== "" ? [[name, value]] : [];
  });
  return kept.length === 0 ? "/builds" : `/builds?${new URLSearchParams(kept)}`;
}
