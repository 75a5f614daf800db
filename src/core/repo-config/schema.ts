import { z } from "zod";

/**
 * The shape of `.wharfinger.yml`: which keys there are and what kind of value each has. What the values may say (legal
 * names, patterns, templates) is checked by the files beside this one, with better messages than a schema can give.
 *
 * Lists of images and rules are checked entry by entry, so that one broken rule does not hide the problems of another;
 * {@link configSchema} is the whole, for editors.
 */

const text = z.string();
const texts = z.array(text);

const overridable = {
  context: text
    .meta({ description: "Folder the build sees, from the root of the repository.", default: "." })
    .optional(),
  dockerfile: text
    .meta({
      description:
        "From `context`, as on Docker Hub. It may stand outside the context (`../Dockerfile`), but inside the repository.",
      default: "Dockerfile",
    })
    .optional(),
  target: text.meta({ description: "Stage to build. Left out: the last one." }).optional(),
  platforms: texts
    .max(20)
    .meta({
      description:
        "`os/arch` or `os/arch/variant`, at most 20. Left out: the builder's own. A build for one that the builder does not have fails and says so.",
      examples: [["linux/amd64"]],
    })
    .optional(),
  build_args: z
    .record(text, text)
    .meta({
      description:
        "Values for the Dockerfile's `ARG`s, at most 100. A rule's are added to the image's, and win where both have one.",
    })
    .optional(),
  cache: z.boolean().meta({ description: "Reuse layers of earlier builds.", default: true }).optional(),
};

const RULES = "Which branches, tags and pull requests are built: at least one rule, at most 200.";

const supersede = z.enum(["newest", "none", "cancel"]);

const pattern = "Exact name, glob (`release/*`) or `/regex/` (RE2 syntax).";

export const ruleFields = z.strictObject({
  branch: text.meta({ description: `Branches to build. ${pattern}` }).optional(),
  tag: text.meta({ description: `Tags to build. ${pattern}` }).optional(),
  semver: text
    .meta({
      description: "Tags that are versions in this range are built: `>=1.0.0`, `^2.1`, `1.x || 2.x`, `*`.",
      examples: [">=1.0.0"],
    })
    .optional(),
  pull_request: text
    .meta({
      description: `Pull requests into these branches are built, and published only with \`push: true\`. ${pattern}`,
    })
    .optional(),
  prefix: text
    .meta({
      description:
        "With `semver`: what stands before the version, such as `api/v`. Left out: a `v` is optional; empty: none is allowed.",
    })
    .optional(),
  tags: texts
    .min(1)
    .max(50)
    .meta({
      description:
        "Image tags, at most 50, with placeholders such as `{version}` or `{sha7}`, or entries in docker/metadata-action's words. Left out: `latest` on the default branch, `{version}` for `semver`, `pr-{pr}` for pull requests, otherwise `{sourceref}`.",
      examples: [["latest"], ["type=semver,pattern={{version}}", "type=sha"]],
    })
    .optional(),
  push: z
    .boolean()
    .meta({
      description: "`false`: build and test without publishing. Left out: `true`, and `false` for `pull_request`.",
    })
    .optional(),
  supersede: supersede
    .meta({ description: "In place of the image's. Without effect for tags, which never replace each other." })
    .optional(),
  ...overridable,
});

export const imageFields = z.strictObject({
  name: text
    .meta({
      description:
        "Joined to the namespace of the installation: `api` becomes `registry/acme/api`. Lower-case letters and digits, joined by `.`, `_`, `__`, `-` or `/`; at most 128 characters. Left out: the repository's name, made legal.",
    })
    .optional(),
  ...overridable,
  test: z
    .strictObject({
      target: text.meta({ description: "Stage that is built first; the image is published only if that succeeds." }),
    })
    .meta({ description: "A test before publishing." })
    .optional(),
  labels: z
    .record(text, text)
    .meta({
      description:
        "Labels of the image, at most 100. `org.opencontainers.image.source`, `.revision`, `.created`, `.version` and `.ref.name` are set by themselves.",
    })
    .optional(),
  paths: z
    .strictObject({
      include: texts
        .max(50)
        .meta({
          description: "Globs of files that count, from the root of the repository, at most 50. Left out: every file.",
        })
        .optional(),
      exclude: texts
        .max(50)
        .meta({ description: "Globs of files that do not count, at most 50; they win over `include`." })
        .optional(),
    })
    .meta({ description: "Branches and pull requests are built only when such a file changed. Tags are built always." })
    .optional(),
  supersede: supersede
    .meta({
      description:
        "What a newer push does to builds of the same branch or pull request: `newest` replaces those that wait, `cancel` also stops those that run, `none` leaves all.",
      default: "newest",
    })
    .optional(),
  flavor: texts
    .max(10)
    .meta({
      description: "For tag entries with `type=`, as in docker/metadata-action: `latest=`, `prefix=`, `suffix=`.",
      examples: [["latest=auto", "suffix=-alpine,onlatest=true"]],
    })
    .optional(),
  rules: z.array(z.unknown()).min(1).meta({ description: RULES }),
});

export const fileFields = z.strictObject({
  version: z.literal(1).meta({ description: "Version of this file's format." }),
  images: z.array(z.unknown()).min(1).meta({ description: "Images built from this repository, at most 100." }),
  repositories: texts
    .max(20)
    .meta({
      description:
        "`owner/name` of further private repositories of the same installation that the build reads, for submodules and private dependencies, at most 20. An owner has to allow each; see repositories.md. Builds of pull requests from forks get none.",
    })
    .optional(),
  pull_requests: z
    .strictObject({
      forks: z
        .enum(["never", "approve", "test"])
        .meta({
          description:
            "What happens with pull requests from forks: `never` built, built after somebody approves (`approve`), or built as a `test` at once. The installation may allow less.",
          default: "approve",
        })
        .optional(),
    })
    .optional(),
  skip: texts
    .max(20)
    .meta({
      description:
        "Texts in a head commit's message that ask for no build. Unless the list is empty, `[no ci]` and the trailer `skip-checks: true` do so, too.",
      default: ["[skip ci]", "[ci skip]", "[skip build]"],
    })
    .optional(),
});

export type FileFields = z.infer<typeof fileFields>;
export type RuleFields = z.infer<typeof ruleFields>;
export type ImageFields = z.infer<typeof imageFields>;

export const MAX_IMAGES = 100;
export const MAX_RULES = 200;

const oneTrigger = {
  oneOf: ["branch", "tag", "semver", "pull_request"].map((key) => ({ required: [key] })),
};

/** The whole file in one schema. */
const configSchema = fileFields
  .extend({
    images: z
      .array(
        imageFields.extend({
          rules: z.array(ruleFields.meta(oneTrigger)).min(1).max(MAX_RULES).meta({ description: RULES }),
        }),
      )
      .min(1)
      .max(MAX_IMAGES)
      .meta({ description: "Images built from this repository, at most 100." }),
  })
  .meta({ title: ".wharfinger.yml, version 1" });

/** The published JSON Schema (docs/wharfinger.schema.json), for completion and checks in editors. */
export function configJsonSchema(): object {
  return z.toJSONSchema(configSchema, { io: "input" });
}
