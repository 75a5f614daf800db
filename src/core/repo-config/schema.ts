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
    .meta({ description: "Folder the build sees, relative to the repository's root.", default: "." })
    .optional(),
  dockerfile: text.meta({ description: "Dockerfile, relative to `context`.", default: "Dockerfile" }).optional(),
  target: text.meta({ description: "Stage to build; left out: the last one." }).optional(),
  platforms: texts
    .max(20)
    .meta({ description: "`os/arch[/variant]`; left out: the builder's own.", examples: [["linux/amd64"]] })
    .optional(),
  build_args: z
    .record(text, text)
    .meta({ description: "Values for the Dockerfile's ARGs; a rule's are added to the image's." })
    .optional(),
  cache: z.boolean().meta({ description: "Reuse layers of earlier builds.", default: true }).optional(),
};

const supersede = z.enum(["newest", "none", "cancel"]);

const pattern = "Exact name, glob (`release/*`) or `/regex/` (RE2 syntax).";

export const ruleFields = z.strictObject({
  branch: text.meta({ description: `Branches to build. ${pattern}` }).optional(),
  tag: text.meta({ description: `Tags to build. ${pattern}` }).optional(),
  semver: text
    .meta({ description: "Tags that are versions in this range are built.", examples: [">=1.0.0"] })
    .optional(),
  pull_request: text.meta({ description: `Pull requests into these branches are built. ${pattern}` }).optional(),
  prefix: text
    .meta({ description: "With `semver`: what stands before the version, `api/v`; left out: an optional `v`." })
    .optional(),
  tags: texts
    .min(1)
    .max(50)
    .meta({
      description:
        "Image tags, with placeholders such as `{version}` or `{sha7}`, or entries in docker/metadata-action's words.",
      examples: [["latest"], ["type=semver,pattern={{version}}", "type=sha"]],
    })
    .optional(),
  push: z
    .boolean()
    .meta({ description: "False: build and test without publishing. Left out: true, false for pull requests." })
    .optional(),
  supersede: supersede
    .meta({ description: "In place of the image's. Without effect for tags, which never replace each other." })
    .optional(),
  ...overridable,
});

export const imageFields = z.strictObject({
  name: text
    .meta({ description: "Joined to the installation's namespace; left out: the repository's name." })
    .optional(),
  ...overridable,
  test: z
    .strictObject({ target: text.meta({ description: "Stage to build." }) })
    .meta({ description: "Built first; the image is published only if it succeeds." })
    .optional(),
  labels: z.record(text, text).meta({ description: "Labels of the image." }).optional(),
  paths: z
    .strictObject({
      include: texts
        .max(50)
        .meta({ description: "Globs from the repository's root; left out: every file." })
        .optional(),
      exclude: texts.max(50).meta({ description: "Globs of files that do not count; wins over `include`." }).optional(),
    })
    .meta({ description: "Branches are built only when such a file changed. Ignored for tags." })
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
      description: "For tag entries with `type=`, as in docker/metadata-action: `latest`, `prefix`, `suffix`.",
      examples: [["latest=auto", "suffix=-alpine,onlatest=true"]],
    })
    .optional(),
  rules: z.array(z.unknown()).min(1).meta({ description: "Which branches, tags and pull requests are built." }),
});

export const fileFields = z.strictObject({
  version: z.literal(1).meta({ description: "Version of this file's format." }),
  images: z.array(z.unknown()).min(1).meta({ description: "Images built from this repository." }),
  repositories: texts
    .max(20)
    .meta({ description: "`owner/name` of further private repositories the checkout needs." })
    .optional(),
  pull_requests: z
    .strictObject({
      forks: z
        .enum(["never", "approve", "test"])
        .meta({ description: "What happens with pull requests from forks.", default: "approve" })
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
      .array(imageFields.extend({ rules: z.array(ruleFields.meta(oneTrigger)).min(1).max(MAX_RULES) }))
      .min(1)
      .max(MAX_IMAGES)
      .meta({ description: "Images built from this repository." }),
  })
  .meta({ title: ".wharfinger.yml, version 1" });

/** The published JSON Schema (docs/wharfinger.schema.json), for completion and checks in editors. */
export function configJsonSchema(): object {
  return z.toJSONSchema(configSchema, { io: "input" });
}
