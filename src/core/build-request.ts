import { createHash } from "node:crypto";
import { z } from "zod";
import { type FurtherRepository, plannedRepositories } from "./further-repositories.ts";
import type { Build, BuildInputs, PlannedBuild, Trust } from "./model.ts";

/**
 * BuildRequest v1: all a builder is told, and everything it needs to know. It holds no credential; a builder exchanges
 * its lease for them. Its schema is published as docs/build-request.schema.json.
 */
export interface BuildRequest {
  readonly version: 1;
  /** The build's id. */
  readonly id: string;
  readonly installation: { readonly provider: string; readonly host: string; readonly id: string };
  readonly source: {
    readonly provider: string;
    readonly host: string;
    readonly repository: { readonly id: string; readonly fullName: string };
    readonly ref: string;
    readonly sha: string;
    readonly cloneUrl: string;
    readonly webUrl: string;
    /** Set exactly for pull requests: into which branch, and whether it comes from another repository. */
    readonly pull?: { readonly number: number; readonly target: string; readonly fork: boolean };
    /** Others of the installation that it may read, for submodules and private dependencies; left out: none. */
    readonly furtherRepositories?: readonly FurtherRepository[];
  };
  readonly image: {
    /** Host and port of the registry, as image names carry it. */
    readonly registry: string;
    /** The one place the builder pushes to. */
    readonly staging: { readonly repository: string; readonly tag: string };
    /** Namespace and image name the service will publish it under: `acme/api`. */
    readonly name: string;
    /** The tags it asks for. The service moves them, the builder never does. */
    readonly tags: readonly string[];
    /** False: built and tested, but pushed nowhere. */
    readonly push: boolean;
  };
  readonly inputs: BuildInputs & { readonly network: BuildNetwork; readonly cacheScope: string };
  readonly trust: Trust;
  readonly trigger: {
    readonly kind: string;
    readonly delivery: string;
    /** Id of who caused it at the host; null: the host did not say. */
    readonly actor: string | null;
    readonly rules: readonly string[];
    /** `sha256:…` of the config file that was planned from; null: there was none. */
    readonly configDigest: string | null;
  };
  readonly limits: BuildLimits;
}

export type BuildNetwork = "none" | "internet" | "host";

export interface BuildLimits {
  readonly seconds: number;
  readonly memoryBytes: number;
  readonly logBytes: number;
}

/**
 * A request as it is stored and handed on. The signature is over the bytes of `document`, so nobody has to agree on how
 * JSON is written to check it.
 */
export interface SignedRequest {
  /** {@link canonicalJson} of a {@link BuildRequest}. */
  readonly document: string;
  /** `sha256:…` of the document. */
  readonly digest: string;
  /** Names the public key. */
  readonly keyId: string;
  /** Ed25519, base64. */
  readonly signature: string;
}

/** Where a request came from, beyond what its build says. */
export interface RequestOrigin {
  readonly actor: string | null;
  readonly configDigest: string | null;
}

/** What is the same for all requests of an instance. */
export interface RequestSettings {
  readonly registry: string;
  readonly network: BuildNetwork;
  readonly limits: BuildLimits;
  /** Where a build pushes. */
  staging(buildId: string): { readonly repository: string; readonly tag: string };
}

/**
 * The document for one build.
 *
 * Labels the file sets win over none of the standard ones: source, revision, created, version, ref.name are always the
 * truth. `created` is when the build was asked for, so that the same request always makes the same image.
 *
 * The document of a held build is written before it is approved: it names all that is approved.
 */
export function buildRequest(build: Build, origin: RequestOrigin, settings: RequestSettings): BuildRequest {
  const { planned, repository } = build;
  const { pull } = planned;
  const staging = settings.staging(build.id);
  // What a pull request makes has no name among the published images.
  const name = pull === undefined ? (planned.tags[0] ?? "") : `pr-${pull.number}`;
  return {
    version: 1,
    id: build.id,
    installation: {
      provider: build.installation.provider,
      host: build.installation.host,
      id: build.installation.id,
    },
    source: {
      provider: repository.provider,
      host: repository.host,
      repository: { id: repository.id, fullName: repository.fullName },
      ref: planned.checkout?.ref ?? planned.ref,
      sha: planned.sha,
      cloneUrl: planned.checkout?.cloneUrl ?? repository.cloneUrl,
      webUrl: repository.webUrl,
      ...(pull && { pull: { number: pull.number, target: pull.target, fork: pull.fork } }),
      ...furtherOf(build),
    },
    image: {
      registry: settings.registry,
      staging: { repository: staging.repository, tag: staging.tag },
      name: build.image,
      tags: planned.tags,
      push: planned.push,
    },
    inputs: {
      ...planned.inputs,
      labels: {
        ...planned.inputs.labels,
        "org.opencontainers.image.source": repository.webUrl,
        "org.opencontainers.image.revision": planned.sha,
        "org.opencontainers.image.created": build.createdAt,
        "org.opencontainers.image.version": name,
        "org.opencontainers.image.ref.name": name,
      },
      network: networkOf(planned, settings.network),
      cacheScope: cacheScope(planned, repository),
    },
    trust: planned.trust,
    trigger: {
      kind: build.trigger,
      delivery: build.deliveryId,
      actor: origin.actor,
      rules: planned.rules,
      configDigest: origin.configDigest,
    },
    limits: settings.limits,
  };
}

/** An untrusted build is planned with none; nothing that was written elsewhere makes it have some. */
function furtherOf({ planned, repository }: Build): Pick<BuildRequest["source"], "furtherRepositories"> {
  const wanted = planned.trust === "untrusted" ? [] : plannedRepositories(planned.repositories ?? [], repository);
  return wanted.length === 0 ? {} : { furtherRepositories: wanted };
}

/** The operator opens the machine's network to the code of those who may push, not to everybody's. */
function networkOf({ trust }: PlannedBuild, allowed: BuildNetwork): BuildNetwork {
  return trust === "untrusted" && allowed === "host" ? "internet" : allowed;
}

/**
 * Those who may push share a repository's cache: each could change what the others build anyway. What comes from a fork
 * shares with builds of the same pull request only: a cache that another stranger filled could make its test pass.
 */
function cacheScope({ trust, pull }: PlannedBuild, { provider, host, id }: Build["repository"]): string {
  const stranger = trust === "untrusted" && pull !== undefined ? `-${pull.number}` : "";
  return `${provider}-${host}-${id}-${trust}${stranger}`;
}

/** `sha256:…` of a text's UTF-8. */
export function digestOf(text: string): string {
  return `sha256:${createHash("sha256").update(text, "utf8").digest("hex")}`;
}

/**
 * One text for equal values: no white space, keys in the order of their UTF-16 code units, as RFC 8785 has it. That RFC's
 * numbers are JSON.stringify's; values here hold integers only. Throws a TypeError on what JSON has no word for.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === "string" || typeof value === "boolean") return JSON.stringify(value);
  if (typeof value === "number" && Number.isSafeInteger(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object") {
    const fields = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
    return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`).join(",")}}`;
  }
  throw new TypeError(`a build request can not hold ${typeof value === "number" ? value : typeof value}`);
}

const text = z.string().min(1);
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const strings = z.array(z.string());
const stringMap = z.record(z.string(), z.string());

/** A builder that does not know a field must refuse, not guess. */
export const BuildRequestSchema: z.ZodType<BuildRequest> = z
  .strictObject({
    version: z.literal(1),
    id: text.describe("Id of the build."),
    installation: z
      .strictObject({ provider: text, host: text, id: text })
      .describe("The grant this build runs under; ids are unique within provider and host."),
    source: z
      .strictObject({
        provider: text,
        host: text,
        repository: z.strictObject({ id: text, fullName: text.describe("`owner/name`, for display.") }),
        ref: text.describe("Full ref: `refs/heads/…`, `refs/tags/…`, or the host's ref of a pull request."),
        sha: z
          .string()
          .regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/)
          .describe("The commit to check out."),
        cloneUrl: text.describe("HTTPS address for git; of the fork, where the commit is only there. See credentials."),
        webUrl: z.string(),
        pull: z
          .strictObject({
            number: z.int().positive(),
            target: text.describe("Short name of the branch it is to be merged into."),
            fork: z.boolean().describe("It comes from another repository."),
          })
          .exactOptional()
          .describe("The pull request this is built for; left out: none."),
        furtherRepositories: z
          .array(z.strictObject({ id: text, fullName: text.describe("`owner/name`."), cloneUrl: text }))
          .min(1)
          .exactOptional()
          .describe(
            "Others of the installation that the build may read, for submodules and private dependencies. " +
              "Left out: none. What opens them comes with the credentials.",
          ),
      })
      .describe("What is built."),
    image: z
      .strictObject({
        registry: text.describe("Host and port, as image names carry it."),
        staging: z
          .strictObject({ repository: text, tag: text })
          .describe("The one place the builder may push to. The service publishes from there."),
        name: text.describe("The repository it will be published as, for labels and messages."),
        tags: z.array(text).describe("Tags asked for. The service moves them; a builder must not."),
        push: z.boolean().describe("False: build and test only."),
      })
      .describe("Where the image goes."),
    inputs: z.strictObject({
      context: text.describe("Folder in the repository, `.` for the root."),
      dockerfile: text.describe("Relative to the context."),
      target: z.string().nullable(),
      testTarget: z.string().nullable().describe("Stage that is built first; when it fails nothing is pushed."),
      buildArgs: stringMap,
      platforms: strings.describe("`os/arch[/variant]`; empty: the builder's own."),
      labels: stringMap.describe("All labels to set; nothing is added by the builder."),
      cache: z.boolean(),
      network: z.enum(["none", "internet", "host"]).describe("What RUN, ADD and FROM may reach beyond the registry."),
      cacheScope: text.describe(
        "Builds may share caches exactly when this is equal. One of an untrusted build lives as long as its pull request: old ones can be thrown away.",
      ),
    }),
    trust: z
      .enum(["trusted", "untrusted"])
      .describe("Untrusted: code of people who may not push. No registry credential, and `image.push` is false."),
    trigger: z.strictObject({
      kind: z.enum(["event", "rerun", "retry", "manual"]),
      delivery: text.describe("Id of the delivery it came from."),
      actor: z.string().nullable().describe("Id of who caused it at the host; null: not known."),
      rules: strings.describe("Paths of the rules that asked for it."),
      configDigest: digest.nullable().describe("Of the config file it was planned from; null: none."),
    }),
    limits: z.strictObject({
      seconds: z.int().positive(),
      memoryBytes: z.int().positive(),
      logBytes: z.int().positive(),
    }),
  })
  .refine(({ trust, image }) => trust === "trusted" || !image.push, "an untrusted build pushes nothing")
  .refine(
    ({ trust, source }) => trust === "trusted" || source.furtherRepositories === undefined,
    "an untrusted build reads no further repositories",
  )
  .describe("BuildRequest version 1: everything a builder is told about one build. It holds no credential.");

/** What the refinements above say, which are not translated. */
const UNTRUSTED_GETS_NOTHING = {
  anyOf: [
    { properties: { trust: { const: "trusted" } } },
    {
      properties: {
        image: { properties: { push: { const: false } } },
        source: { not: { required: ["furtherRepositories"] } },
      },
    },
  ],
};

/** The published JSON Schema (draft 2020-12). */
export function buildRequestJsonSchema(): object {
  return { title: "Wharfinger build request", ...z.toJSONSchema(BuildRequestSchema), ...UNTRUSTED_GETS_NOTHING };
}
