import type { FailureClass } from "./model.ts";

const ADVICE: Readonly<Record<FailureClass, string>> = {
  checkout:
    "The source could not be fetched. If it needs a submodule or another private repository, check that the app is installed there too; otherwise run it again.",
  dockerfile:
    "The build could not begin. Check the Dockerfile's syntax, and `context`, `dockerfile` and `target` in the config file.",
  build: "A step of the Dockerfile failed; the end of the log shows which. The COMMANDS repeat it on your machine.",
  test: "The test stage failed, so nothing was published. The COMMANDS repeat it on your machine.",
  push: "The image was built, but the registry did not take it. Run it again; if it stays so, tell who runs the registry.",
  timeout:
    "The build took longer than it may. Put the steps that change least first so that the cache helps, or ask who runs this service for a longer limit.",
  "out-of-memory":
    "The build needed more memory than it may have. Let it do less at once (fewer parallel jobs), or ask who runs this service for a higher limit.",
  internal: "The fault is not in your repository. Run it again; if it stays so, tell who runs this service.",
};

/** What a person can do about a failure of this class: one or two sentences of plain text with code spans. */
export function failureAdvice(failureClass: FailureClass): string {
  return ADVICE[failureClass].replace("COMMANDS", "commands below");
}

/** The same where the commands that repeat a build are not below, but on its page. Plain text. */
export function adviceElsewhere(failureClass: FailureClass): string {
  return ADVICE[failureClass].replace("COMMANDS", "commands on its page").replaceAll("`", "");
}
