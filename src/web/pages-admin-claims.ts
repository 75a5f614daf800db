import type { Response } from "express";
import { whoIs } from "../core/pause.ts";
import type { Claim } from "../engine/claims-store-port.ts";
import type { Decided, NamespaceDesk } from "../engine/namespace-desk.ts";
import { deciderOf } from "../engine/viewer.ts";
import { installationAddress } from "./addresses.ts";
import { field } from "./forms.ts";
import { hostName } from "./host-names.ts";
import { type AdminParts, adminPage, checked } from "./operations.ts";
import { paging } from "./paging.ts";
import { timeView } from "./present.ts";
import { pageQuery } from "./requests.ts";
import type { PageKit, Visit } from "./visit.ts";

/** What a decision met: shown beside its claim, with what was typed. */
interface Problem {
  readonly id: string;
  readonly why: string;
  readonly as: string;
  readonly share: boolean;
  readonly anyway: boolean;
}

const DONE: Readonly<Record<string, string>> = {
  approved: "Approved. What was pushed meanwhile is planned again now.",
  refused: "Refused. The account is not asked about again for this name.",
};

const LIST = "/admin/claims";
const SHOWN = 30;

/** Who waits for a namespace. What is decided is said in the desk's own words. */
export function addClaimPages(
  { page, form, send }: PageKit,
  { desk, clock }: Pick<AdminParts, "clock"> & { readonly desk: NamespaceDesk },
): void {
  page(LIST, async (req, res, visit) => {
    const waiting = req.query["all"] !== "true";
    const found = await desk.claims({ ...pageQuery(req), waiting });
    const done = DONE[String(req.query["done"])] ?? null;
    show(res, visit, { claims: found.items, waiting, done, problem: null, ...paging(LIST, req, found) });
  });

  form(
    `${LIST}/:id/approve`,
    async (req, res, visit) => {
      const id = req.params["id"] ?? "";
      const typed = { as: field(req, "as").trim(), share: checked(req, "share"), anyway: checked(req, "anyway") };
      const { as, ...insists } = typed;
      const decided = await desk.approve(id, { ...insists, as: as === "" ? null : as }, deciderOf(visit.viewer));
      await answer(res, visit, decided, "approved", { id, ...typed });
    },
    () => LIST,
  );

  form(
    `${LIST}/:id/refuse`,
    async (req, res, visit) => {
      const id = req.params["id"] ?? "";
      const decided = await desk.refuse(id, deciderOf(visit.viewer));
      await answer(res, visit, decided, "refused", { id, as: "", share: false, anyway: false });
    },
    () => LIST,
  );

  async function answer(
    res: Response,
    visit: Visit,
    decided: Decided<object>,
    done: "approved" | "refused",
    typed: Omit<Problem, "why">,
  ): Promise<void> {
    if (decided.kind === "done") {
      res.redirect(303, `${LIST}?done=${done}`);
      return;
    }
    const { items, next } = await desk.claims({ limit: SHOWN, cursor: null, waiting: true });
    const problem = { ...typed, why: decided.why };
    res.status(decided.kind === "unknown" ? 404 : 409);
    const older = next === null ? null : `${LIST}?${new URLSearchParams({ cursor: next })}`;
    show(res, visit, { claims: items, waiting: true, done: null, problem, newest: null, older });
  }

  function show(
    res: Response,
    visit: Visit,
    data: {
      readonly claims: readonly Claim[];
      readonly waiting: boolean;
      readonly done: string | null;
      readonly problem: Problem | null;
      readonly newest: string | null;
      readonly older: string | null;
    },
  ): void {
    const { claims, problem, ...rest } = data;
    const now = clock.now();
    const shown = claims.map((claim) => claimView(claim, problem?.id === claim.id ? problem : null, now));
    // About one that is not in the list any more: somebody else has decided it.
    const elsewhere = problem !== null && shown.every((one) => one.problem === null) ? problem.why : null;
    send(res, visit, "admin-claims", { ...adminPage("Claims", "claims"), ...rest, claims: shown, elsewhere });
  }
}

function claimView(claim: Claim, problem: Problem | null, now: number) {
  const { account, installation, reason, decidedAt, decidedBy } = claim;
  return {
    id: claim.id,
    login: account.login,
    kind: account.kind,
    host: hostName(account),
    installation: installationAddress(installation),
    namespace: claim.namespace,
    state: claim.state,
    why: claim.why,
    made: timeView(claim.madeAt, now),
    decided: decidedAt === null ? null : timeView(decidedAt, now),
    by: decidedBy === null ? null : whoIs(decidedBy),
    problem: problem?.why ?? null,
    as: problem?.as ?? "",
    share: problem?.share ?? false,
    anyway: problem?.anyway ?? false,
    // Where it takes more than a click, what it takes is not hidden.
    open: problem !== null || (reason !== "confirmation" && reason !== "other-host"),
  };
}
