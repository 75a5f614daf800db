/** docs/builder-api.json: the builder's API as an OpenAPI document, made from the schemas that judge its bodies. */
import { z } from "zod";
import {
  ClaimAnswer,
  ClaimBody,
  CredentialsAnswer,
  ErrorAnswer,
  HeartbeatAnswer,
  HeartbeatBody,
  MAX_LOG_BYTES,
  OfferBody,
  OutcomeAnswer,
  OutcomeBody,
} from "./builder-schema.ts";

interface Call {
  readonly summary: string;
  readonly security: "builder" | "lease";
  readonly body: object | null;
  readonly answers: Readonly<Record<string, object>>;
}

const LOST = { "409": error("The lease is over, or was never given. Stop what is being built under it.") };

const CALLS: Readonly<Record<string, Call>> = {
  claim: {
    summary: "Asks for a build. Also how a build that was offered is taken.",
    security: "builder",
    body: { required: false, ...json(ClaimBody, "input") },
    answers: {
      "200": json(ClaimAnswer),
      "204": { description: "No build waits, or another builder has the one that was named." },
    },
  },
  heartbeat: {
    summary: "Prolongs the lease, says what was done, and hears whether to stop.",
    security: "lease",
    body: { required: false, ...json(HeartbeatBody, "input") },
    answers: { "200": json(HeartbeatAnswer), ...LOST },
  },
  credentials: {
    summary: "Exchanges the lease for what opens the repository and the staging repository.",
    security: "lease",
    body: null,
    answers: {
      "200": json(CredentialsAnswer),
      "403": error("There are none for this build; the message says why."),
      ...LOST,
      "503": error("The Git host gives none now; try again after `Retry-After` seconds."),
    },
  },
  log: {
    summary: `Appends to the log. At most ${MAX_LOG_BYTES} bytes a call; a line is shown when it is whole.`,
    security: "lease",
    body: { required: true, content: { "text/plain": { schema: { type: "string" } } } },
    answers: { "204": { description: "Taken. What goes beyond `limits.logBytes` in all is left out." }, ...LOST },
  },
  outcome: {
    summary: "Says how the build ended, and ends the lease. May be repeated when no answer came.",
    security: "lease",
    body: { required: true, ...json(OutcomeBody, "input") },
    answers: { "200": json(OutcomeAnswer), ...LOST },
  },
};

export function builderApiDocument(): object {
  return {
    openapi: "3.1.0",
    info: {
      title: "Wharfinger builders",
      version: "1",
      description: "How builders on other machines get builds. docs/http-builder.md tells it in order.",
    },
    paths: Object.fromEntries(
      Object.entries(CALLS).map(([name, call]) => [`/builder/v1/${name}`, { post: post(call) }]),
    ),
    webhooks: {
      "build.offered": {
        post: {
          summary: "Sent to each of BUILDER_URLS, signed as Standard Webhooks has it.",
          requestBody: { required: true, ...json(OfferBody) },
          responses: { "2XX": { description: "Heard. Anything else, redirects included, is tried again later." } },
        },
      },
    },
    components: {
      securitySchemes: {
        builder: { type: "http", scheme: "bearer", description: "BUILDER_TOKEN" },
        lease: { type: "http", scheme: "bearer", description: "The token a claim was answered with." },
      },
    },
  };
}

function post({ summary, security, body, answers }: Call): object {
  return {
    summary,
    security: [{ [security]: [] }],
    ...(body === null ? {} : { requestBody: body }),
    responses: {
      ...answers,
      "400": error("The body is not as described."),
      "401": error("There is no token, or the wrong one."),
      "413": error("The body is too large."),
      "415": error("The body is of another type."),
    },
  };
}

function json(schema: z.ZodType, io: "input" | "output" = "output"): object {
  const { $schema: _, description, ...shape } = z.toJSONSchema(schema, { io });
  return { description: description ?? "", content: { "application/json": { schema: shape } } };
}

function error(description: string): object {
  return { ...json(ErrorAnswer), description };
}
