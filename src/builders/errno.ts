/** `ENOENT`, `EBUSY` … of a failed system call; null: it is another kind of error. */
export function errorCode(error: unknown): string | null {
  // Not `instanceof Error`: Node's own errors come from another realm under test runners and in vm contexts.
  if (typeof error !== "object" || error === null || !("code" in error)) return null;
  return typeof error.code === "string" ? error.code : null;
}
