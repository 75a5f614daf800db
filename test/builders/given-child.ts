/** Builds what it is told, prints the builder's folder once the build says that it has begun, and waits to be killed. */
import type { BuildRequest } from "../../src/core/build-request.ts";
import { ok } from "../../src/core/model.ts";
import type { BuildCredentials } from "../../src/engine/ports.ts";
import { createTestBuilder } from "./world.ts";

export interface GivenChildInput {
  readonly request: BuildRequest;
  readonly credentials: BuildCredentials;
}

const [input = ""] = process.argv.slice(2);
const { request, credentials } = JSON.parse(input) as GivenChildInput;
const { builder, workDir } = await createTestBuilder({ name: request.image.registry });
await builder.build({
  request,
  credentials: async () => ok(credentials),
  log(text) {
    if (/^begun$/m.test(text)) process.stdout.write(`${workDir}\n`);
  },
  step: () => undefined,
  signal: new AbortController().signal,
});
