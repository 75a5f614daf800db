/** Tells the repositories builds push to from those images are published in. */
export interface StagingNames {
  /** Where a build pushes to. `own`: nobody else does, so that all there is may be removed when the build has ended. */
  of(buildId: string): { readonly repository: string; readonly tag: string; readonly own: boolean };
  /** Images there are not published: nobody but the build they belong to, and the service, may even read them. */
  has(repository: string): boolean;
  /** The build that pushes to this repository under this tag; null: none does. */
  buildAt(repository: string, tag: string | null): string | null;
}

/**
 * By the name builds push to, in which `{build}` stands for a build's id: `staging/{build}`. Without it all builds share
 * one repository, each with its id for a tag.
 */
export function createStagingNames(template: string): StagingNames {
  const shared = !template.includes("{build}");
  const ofBuild = new RegExp(`^${pattern(template, "[0-9a-z-]{1,64}")}$`);
  // Whatever stands in the place of an id, and all that lies below: none of it is a published name.
  const closed = new RegExp(`^${pattern(template, "[^/]+")}(?:/|$)`);
  return {
    of(buildId) {
      return shared
        ? { repository: template, tag: buildId, own: false }
        : { repository: template.replaceAll("{build}", buildId), tag: "build", own: true };
    },
    has: (repository) => closed.test(repository),
    buildAt(repository, tag) {
      const found = ofBuild.exec(repository);
      if (found === null) return null;
      return shared ? tag : (found[1] ?? null);
    },
  };
}

/** Source of a regular expression; each `{build}` must stand for the same text. */
function pattern(template: string, build: string): string {
  const [first = "", ...others] = template.split("{build}").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return others.reduce((text, part, index) => text + (index === 0 ? `(${build})` : "\\1") + part, first);
}
