/** What HTTP builders and the service say to each other. docs/builder-api.json is made from it. */
import { z } from "zod";
import { FAILURE_CLASSES } from "../core/model.ts";

/** Seconds a claim may wait for a build: less than proxies wait for an answer. */
export const LONGEST_WAIT = 25;
/** Bytes of one piece of log. */
export const MAX_LOG_BYTES = 1024 ** 2;
/** Bytes of any other body. */
export const MAX_JSON_BYTES = 64 * 1024;

const id = z.string().regex(/^[0-9A-Za-z-]{1,64}$/);
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const time = z.iso.datetime({ precision: 3 }).describe("UTC, with milliseconds: `2026-11-20T10:00:00.000Z`.");

const Step = z
  .strictObject({
    name: z.enum(["checkout", "test", "build", "push"]),
    startedAt: time,
    finishedAt: time.nullable().describe("Null while it goes on."),
  })
  .describe("One timed part of a build.");

const Steps = z.array(Step).max(20);

export const ClaimBody = z
  .strictObject({
    build: id.optional().describe("The build that was offered; left out: the one whose turn it is."),
    wait: z.int().min(0).max(LONGEST_WAIT).default(0).describe("Seconds to wait for a build when there is none."),
  })
  .describe("A wish for work.");

export const HeartbeatBody = z.strictObject({ steps: Steps.default([]) }).describe("What was done so far.");

export const OutcomeBody = z
  .discriminatedUnion("result", [
    z
      .strictObject({
        result: z.literal("built"),
        digest: digest.nullable().describe("Of the manifest that was pushed; null exactly when `image.push` is false."),
        steps: Steps.optional(),
      })
      .describe("The image is in the staging repository. The service publishes it."),
    z
      .strictObject({
        result: z.literal("failed"),
        class: z.enum(FAILURE_CLASSES),
        message: z.string().min(1).max(4_000).describe("What happened and what to do, for whoever pushed the commit."),
        line: z.int().positive().optional().describe("Of the Dockerfile, where known."),
        retryable: z.boolean().default(false).describe("The outside failed, and may be back soon."),
        steps: Steps.optional(),
      })
      .describe("There is no image."),
    z
      .strictObject({ result: z.literal("stopped"), steps: Steps.optional() })
      .describe("Not built to the end: it was canceled, or this builder stops and another one shall take it."),
  ])
  .describe("How the build ended. Without `steps`, those of the last heartbeat count.");

export const ClaimAnswer = z
  .strictObject({
    build: id,
    attempt: z.int().positive(),
    request: z
      .strictObject({
        document: z
          .string()
          .describe("The build request: JSON, see build-request.schema.json. These bytes are signed."),
        digest: digest.describe("Of the document."),
        signature: z.strictObject({
          algorithm: z.literal("Ed25519"),
          keyId: z.string().describe("One of `GET /api/v1/keys`."),
          value: z.string().describe("Base64."),
        }),
      })
      .describe("Nothing of it may be acted on before its signature was found good."),
    lease: z.strictObject({
      token: z.string().describe("The bearer token of all further calls for this build. Its content means nothing."),
      seconds: z.number().positive().describe("After so long without a heartbeat somebody else gets the build."),
      heartbeatSeconds: z.number().positive().describe("How often to send one."),
    }),
  })
  .describe("A build, leased to whoever asked.");

export const HeartbeatAnswer = z
  .strictObject({ state: z.enum(["held", "cancel"]).describe("`cancel`: stop, and say so.") })
  .describe("The lease was prolonged.");

const Credential = z.strictObject({ username: z.string(), password: z.string() });

const Named = z.record(z.string(), z.string());

export const CredentialsAnswer = z
  .strictObject({
    clone: Credential.nullable().describe(
      "For `source.cloneUrl`: read-only, for this repository, for an hour at most. Null: ask there without one.",
    ),
    registry: Credential.nullable().describe(
      "For the staging repository, where the build pushes, and for base images of the installation. Dies with the " +
        "lease. Null: none is needed, or the build is untrusted and gets none.",
    ),
    furtherRepositories: z
      .array(z.strictObject({ cloneUrl: z.string(), credential: Credential }))
      .optional()
      .describe(
        "What opens `source.furtherRepositories`, read-only, for an hour at most: each its own address, and no other. " +
          "Left out: there are none.",
      ),
    variables: Named.describe(
      "Further build arguments, which the installation has set: none that `inputs.buildArgs` has. Nothing of an untrusted build's.",
    ),
    secrets: Named.describe(
      "What `RUN --mount=type=secret,id=NAME` is to find, by name, which is the id. Not to be in the image, in arguments, or in " +
        "the log, where the service hides it. Nothing of an untrusted build's.",
    ),
  })
  .describe("Not to be stored, and to be kept from what the repository's code can read. Secrets are for it to read.");

export const OutcomeAnswer = z
  .strictObject({ recorded: z.boolean().describe("False: an outcome of this lease was recorded before.") })
  .describe("The lease is over.");

export const ErrorAnswer = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

export const OfferBody = z
  .strictObject({
    type: z.literal("build.offered"),
    timestamp: time,
    data: z.strictObject({ build: id, request: ClaimAnswer.shape.request }),
  })
  .describe("A build waits. Only a hint: it may come twice, late or not at all, and somebody else may have the build.");
