import { z } from "zod";

/** What somebody at a terminal may tell the planner in place of the host: the file of `wharfinger plan --facts`. */
export interface StatedFacts {
  readonly changedPaths?: readonly string[] | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly defaultBranch?: string | undefined;
  /** ISO 8601, UTC. */
  readonly now?: string | undefined;
  /** Text of the default branch's `.wharfinger.yml`; null: it has none. Left out: the same as the pushed commit's. */
  readonly defaultBranchConfig?: string | null | undefined;
  readonly installation?: z.infer<typeof INSTALLATION> | undefined;
  readonly zeroConfig?: boolean | undefined;
}

/** What is left out is as an operator finds it. */
const POLICY = z.strictObject({
  forks: z.enum(["never", "approve", "test"]).optional(),
  publishPullRequests: z.boolean().optional(),
  onlyPullRequests: z.boolean().optional(),
  zeroConfig: z.boolean().optional(),
  brake: z.int().positive().optional(),
});

const INSTALLATION = z
  .strictObject({
    state: z.enum(["active", "suspended", "paused", "removed"]).default("active"),
    /** Left out: the account's name. */
    namespace: z.string().min(1).nullable().optional(),
    link: z.enum(["linked", "unlinked", "archived", "paused"]).default("linked"),
    policy: POLICY.optional(),
  })
  /** Null: the app is not installed. */
  .nullable();

const FACTS = z.strictObject({
  changedPaths: z.array(z.string()).optional(),
  tags: z.array(z.string()).optional(),
  defaultBranch: z.string().min(1).optional(),
  now: z.iso.datetime({ offset: true }).optional(),
  defaultBranchConfig: z.string().nullable().optional(),
  installation: INSTALLATION.optional(),
  zeroConfig: z.boolean().optional(),
});

/** By where they are. */
const SHAPES: Readonly<Record<string, object>> = {
  installation: INSTALLATION.unwrap().shape,
  "installation.policy": POLICY.shape,
};

export type ParsedFacts =
  | { readonly ok: true; readonly facts: StatedFacts }
  /** One line that names the key. */
  | { readonly ok: false; readonly message: string };

export function parseFacts(text: string): ParsedFacts {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { ok: false, message: `not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
  const parsed = FACTS.safeParse(value);
  return parsed.success ? { ok: true, facts: parsed.data } : { ok: false, message: firstIssue(parsed.error) };
}

function firstIssue({ issues: [issue] }: z.ZodError): string {
  if (issue === undefined) {
    return "not the facts of an event";
  }
  const path = issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    const allowed = Object.keys(SHAPES[path] ?? FACTS.shape).join(", ");
    return `unknown key ${[...(path === "" ? [] : [path]), issue.keys[0] ?? ""].join(".")}; allowed: ${allowed}`;
  }
  return `${path === "" ? "the whole" : `key ${path}`}: ${issue.message}`;
}
