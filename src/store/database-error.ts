/**
 * The database said no, or did not answer. Carries a message and a code and nothing else: the errors of Sequelize and of
 * the drivers bring the statement with all bound values along, and whole webhook bodies would end up in logs.
 *
 * `code`: SQLite's name (`SQLITE_BUSY`), PostgreSQL's SQLSTATE (`40P01`), Node's (`ECONNREFUSED`), or `CONNECTION`.
 */
export class DatabaseError extends Error {
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.name = "DatabaseError";
    this.code = code;
  }
}

/** What {@link DatabaseError} is made of, from whatever a driver or Sequelize threw; null where there is no code. */
export function codeAndMessage(error: unknown): { readonly code: string; readonly message: string } | null {
  const original: unknown = isObject(error) && "original" in error ? error.original : error;
  if (!isObject(original) || !("code" in original) || !("message" in original)) return null;
  const { code, message } = original;
  return typeof code === "string" && typeof message === "string" ? { code, message } : null;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
