/** What there is to build in a repository that may have no file. */
import { isCalledDockerfile } from "../core/dockerfile-name.ts";
import { type Outcome, ok, type Sha } from "../core/model.ts";
import { CONFIG_FILE } from "../core/repo-config/config.ts";
import type { Survey } from "../engine/ports.ts";
import { treeSchema } from "./answers.ts";
import { type ApiAnswer, type ApiRequest, misshapen, nextPage, refusal, TIMED_OUT } from "./api.ts";
import { ask, isPlain, type Place, placePath } from "./file.ts";

/**
 * Folders, the root being the first: `services/api/src/main/docker/Dockerfile.jvm` is that deep. The deeper Bitbucket has
 * to look, the likelier it gives up.
 */
const MAX_DEPTH = 6;

/** 100 files each: with the call that may be needed for the tip, a survey is three calls at the most. */
const MAX_PAGES = 2;

const MAX_DOCKERFILES = 100;

/**
 * Bitbucket lists no more than 100 files at a time, so it is asked to leave out the others: `~` is a part of the path,
 * whatever the case of letters. What it lists all the same is left out here.
 */
const QUERY = `path ~ "dockerfile" OR path = "${CONFIG_FILE}"`;

/** At a commit that is the tip of the default branch. Null: it is not there any more, or there is too much to list. */
export async function readSurvey(place: Place, tip: Sha, defaultBranch: string): Promise<Outcome<Survey | null>> {
  const query = {
    max_depth: String(MAX_DEPTH),
    pagelen: "100",
    fields: "next,values.type,values.path,values.attributes",
    q: QUERY,
  };
  const dockerfiles = new Set<string>();
  let hasFile = false;
  // The root is named by the slash at the end.
  let page: ApiRequest | null = { method: "GET", path: placePath(place, ["src", tip, ""], query) };
  for (let count = 0; page !== null; count += 1) {
    if (count === MAX_PAGES) return ok(null);
    const answer: Outcome<ApiAnswer> = await ask(place, { ...page, mayTimeOut: true });
    if (!answer.ok) return answer;
    const { status, body } = answer.value;
    if (status === 404 || status === TIMED_OUT) return ok(null);
    if (status !== 200) return refusal(answer.value);
    const result = treeSchema.safeParse(body);
    if (!result.success) return misshapen(answer.value);
    for (const { type, path, attributes } of result.data.values) {
      if (type !== "commit_file" || attributes?.includes("subrepository")) continue;
      // One link is followed when the file is read.
      if (path === CONFIG_FILE) hasFile = true;
      else if (isCalledDockerfile(path) && isPlain(path) && !attributes?.includes("link")) dockerfiles.add(path);
    }
    page = nextPage(answer.value);
  }
  return ok({ defaultBranch, hasFile, dockerfiles: [...dockerfiles].sort().slice(0, MAX_DOCKERFILES) });
}
