import express, { type Request, type RequestHandler } from "express";
import { type Session, sameSecret } from "./auth.ts";
import { WebError } from "./errors.ts";

/** Reads the body of a page's form. */
export const readForm: RequestHandler = express.urlencoded({ extended: false, limit: "8kb", parameterLimit: 10 });

/** Forms that change something carry the session's own token, which no other site can read. */
export function demandOwnForm(req: Request, session: Pick<Session, "formToken">): void {
  if (!sameSecret(field(req, "form_token"), session.formToken)) {
    throw new WebError(403, "foreign-form", "This form is not from this page, or is old. Load the page again.");
  }
}

/** One text field of a form; empty when it is missing or given twice. */
export function field(req: Request, name: string): string {
  const body: unknown = req.body;
  const value = typeof body === "object" && body !== null && Object.hasOwn(body, name) ? Reflect.get(body, name) : "";
  return typeof value === "string" ? value : "";
}
