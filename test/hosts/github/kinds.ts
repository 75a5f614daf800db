/** The two hosts that differ most. What is tested on the stand-in, the product included, is tested on both. */
export const HOST_KINDS = [
  { kind: "github.com", basePath: "", tokenFormat: "stateless" },
  { kind: "an Enterprise Server", basePath: "/api/v3", tokenFormat: "classic" },
] as const;

export type HostKind = (typeof HOST_KINDS)[number];
