/** Where the App is installed from. */
import { z } from "zod";
import { type Outcome, ok } from "../core/model.ts";
import type { GithubAccess } from "./access.ts";
import { misshapen, refusal } from "./api.ts";

const appSchema = z.object({ html_url: z.url({ protocol: /^https?$/ }) });

/** Asked once: an App keeps its page. */
export function createInstallPage(access: Pick<GithubAccess, "asApp">): () => Promise<Outcome<string>> {
  let known: string | null = null;
  return async () => {
    if (known !== null) return ok(known);
    const answer = await access.asApp({ method: "GET", path: "/app" });
    if (!answer.ok) return answer;
    if (answer.value.status !== 200) return refusal(answer.value);
    const app = appSchema.safeParse(answer.value.body);
    if (!app.success) return misshapen(answer.value);
    known = `${app.data.html_url}/installations/new`;
    return ok(known);
  };
}
