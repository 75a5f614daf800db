/** Tells the repositories builds push to from those images are published in. */
export interface StagingNames {
  /**
   * Where a build of an image of `namespace` pushes to. `own`: nobody else does, so that all there is may be removed when
   * the build has ended.
   */
  of(buildId: string, namespace?: string): { readonly repository: string; readonly tag: string; readonly own: boolean };
  /** Images there are not published: nobody but the build they belong to, and the service, may even read them. */
  has(repository: string): boolean;
  /** The build that pushes to this repository under this tag; null: none does. */
  buildAt(repository: string, tag: string | null): string | null;
}

/**
 * By the name builds push to, in which `{build}` stands for a build's id: `staging/{build}`. Without it all builds share
 * one repository, each with its id for a tag; with `{namespace}` those of one namespace do.
 */
export function createStagingNames(template: string): StagingNames {
  const shared = !template.includes("{build}");
  const ofBuild = new RegExp(`^${pattern(template, "[0-9a-z-]{1,64}")}$`);
  // Whatever stands in the place of an id, and all that lies below: none of it is a published name.
  const closed = new RegExp(`^${pattern(template, "[^/]+")}(?:/|$)`);
  return {
    of(buildId, namespace = "") {
      const repository = template.replaceAll("{namespace}", () => namespace).replaceAll("{build}", () => buildId);
      return shared ? { repository, tag: buildId, own: false } : { repository, tag: "build", own: true };
    },
    has: (repository) => closed.test(repository),
    buildAt(repository, tag) {
      const found = ofBuild.exec(repository);
      if (found === null) return null;
      return shared ? tag : (found.groups?.["build"] ?? null);
    },
  };
}

/** Source of a regular expression; each placeholder must stand for the same text wherever it is repeated. */
function pattern(template: string, build: string): string {
  const seen = new Set<string>();
  return template
    .split(/(\{build\}|\{namespace\})/)
    .map((part) => {
      const name = /^\{(build|namespace)\}$/.exec(part)?.[1];
      if (name === undefined) return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      if (seen.has(name)) return `\\k<${name}>`;
      seen.add(name);
      return `(?<${name}>${name === "build" ? build : "[^/]+"})`;
    })
    .join("");
}
