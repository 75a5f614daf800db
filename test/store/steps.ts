/** The steps of the schema, in the order they run. One that was released is never renamed, moved or taken out. */
export const STEPS: readonly string[] = [
  "0001-first",
  "0002-publishing",
  "0003-bitbucket",
  "0004-pull-requests",
  "0005-config-check",
  "0006-audit",
  "0007-claims",
  "0008-lifecycle",
  "0009-pauses",
  "0010-registries",
  "0011-access-tokens",
  "0012-variables",
  "0013-further-repositories",
  "0014-turns",
  "0015-receipts",
  "0016-sessions",
];
