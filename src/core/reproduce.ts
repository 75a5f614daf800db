import type { Build } from "./model.ts";
import { dockerfilePath } from "./path-filter.ts";

/** A POSIX shell word that means exactly `text`. */
export function shellQuote(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Commands that build the same commit the same way on somebody's own machine, up to the stage that failed. */
export function reproduceLines(build: Pick<Build, "repository" | "planned" | "failure">): readonly string[] {
  const { repository, planned, failure } = build;
  const { inputs } = planned;
  const target = failure?.class === "test" ? inputs.testTarget : inputs.target;
  const folder = repository.fullName.slice(repository.fullName.lastIndexOf("/") + 1);
  const docker = [
    "docker build",
    `--file ${here(dockerfilePath(inputs))}`,
    ...(target === null ? [] : [`--target ${shellQuote(target)}`]),
    ...(inputs.platforms.length === 0 ? [] : [`--platform ${shellQuote(inputs.platforms.join(","))}`]),
    ...Object.entries(inputs.buildArgs).map(([name, value]) => `--build-arg ${shellQuote(`${name}=${value}`)}`),
    inputs.context === "." ? "." : here(inputs.context),
  ];
  return [
    `git clone -- ${shellQuote(repository.cloneUrl)} ${here(folder)} && cd ${here(folder)} &&`,
    `git checkout --detach ${shellQuote(planned.sha)} &&`,
    docker.join(" "),
  ];
}

/** Never an option, whatever it begins with. */
function here(path: string): string {
  return shellQuote(`./${path}`);
}
