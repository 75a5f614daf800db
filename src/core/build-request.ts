import type { Build, BuildInputs, Trust } from "./model.ts";

/**
 * BuildRequest v1: all a builder is told, and everything it needs to know. It holds no credential; a builder exchanges
 * its lease for them. The field order of {@link buildRequest} is the document's order.
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
  };
  readonly image: {
    /** Host and port of the registry, as image names carry it. */
    readonly registry: string;
    /** Namespace and image name: `acme/api`. */
    readonly name: string;
    readonly tags: readonly string[];
    /** False: built and tested, but published nowhere. */
    readonly push: boolean;
  };
  readonly inputs: BuildInputs & { readonly network: BuildNetwork; readonly cacheScope: string };
  readonly trust: Trust;
  readonly trigger: { readonly kind: string; readonly delivery: string; readonly rules: readonly string[] };
  readonly limits: BuildLimits;
}

export type BuildNetwork = "none" | "internet" | "host";

export interface BuildLimits {
  readonly seconds: number;
  readonly memoryBytes: number;
  readonly logBytes: number;
}

/**
 * The document for one build.
 *
 * `created` (ISO 8601) becomes the `org.opencontainers.image.created` label. Labels the file sets win over none of the
 * standard ones: source, revision, created, version, ref.name are always the truth.
 */
export function buildRequest(
  build: Build,
  options: { registry: string; network: BuildNetwork; limits: BuildLimits; created: string },
): BuildRequest {
  const { planned, repository } = build;
  return {
    version: 1,
    id: build.id,
    installation: build.installation,
    source: {
      provider: repository.provider,
      host: repository.host,
      repository: { id: repository.id, fullName: repository.fullName },
      ref: planned.ref,
      sha: planned.sha,
      cloneUrl: repository.cloneUrl,
      webUrl: repository.webUrl,
    },
    image: { registry: options.registry, name: build.image, tags: planned.tags, push: planned.push },
    inputs: {
      ...planned.inputs,
      labels: {
        ...planned.inputs.labels,
        "org.opencontainers.image.source": repository.webUrl,
        "org.opencontainers.image.revision": planned.sha,
        "org.opencontainers.image.created": options.created,
        "org.opencontainers.image.version": planned.tags[0] ?? "",
        "org.opencontainers.image.ref.name": planned.tags[0] ?? "",
      },
      network: options.network,
      cacheScope: `${repository.provider}-${repository.host}-${repository.id}-${planned.trust}`,
    },
    trust: planned.trust,
    trigger: { kind: build.trigger, delivery: build.deliveryId, rules: planned.rules },
    limits: options.limits,
  };
}
