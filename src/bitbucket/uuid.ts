const UUID = /^\{?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\}?$/i;

/**
 * A workspace's, repository's or person's uuid as it is kept and compared: in braces, lower case. Bitbucket writes them
 * with and without braces. Null: not a uuid.
 */
export function parseUuid(value: unknown): string | null {
  const digits = typeof value === "string" ? UUID.exec(value)?.[1] : undefined;
  return digits === undefined ? null : `{${digits.toLowerCase()}}`;
}
