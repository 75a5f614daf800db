/** A browser at the setup wizard: it keeps its cookie, and sends forms as their page has them. */
export interface SetupBrowser {
  get(path: string): Promise<Seen>;
  /** Sends the form of `path` that has the button `change`, or the only one, with these fields filled in. */
  send(path: string, fields?: Readonly<Record<string, string>>): Promise<Seen>;
  readonly cookie: () => string;
}

export interface Seen {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

const HTML = { accept: "text/html" };

export async function openSetup(link: string): Promise<SetupBrowser> {
  const { origin } = new URL(link);
  const opened = await fetch(link, { redirect: "manual", headers: HTML });
  const cookie = String(opened.headers.get("set-cookie")).split(";")[0] ?? "";
  async function see(answer: Response): Promise<Seen> {
    return { status: answer.status, text: await answer.text(), headers: answer.headers };
  }
  async function get(path: string): Promise<Seen> {
    return see(await fetch(origin + path, { redirect: "manual", headers: { ...HTML, cookie } }));
  }
  return {
    get,
    cookie: () => cookie,
    async send(path, fields = {}) {
      // Some steps have no form, where there is nothing to be changed; the token is the session's.
      const token = /name="form_token" value="([^"]+)"/.exec((await get("/setup/finish")).text)?.[1] ?? "";
      const body = new URLSearchParams({ form_token: token, ...fields });
      return see(
        await fetch(origin + path, { method: "POST", body, redirect: "manual", headers: { ...HTML, cookie } }),
      );
    },
  };
}

/** What a page's form is made of that leads elsewhere. */
export function formIn(html: string, field: string): { readonly action: string; readonly value: string } {
  const unescaped = (text: string) =>
    text
      .replaceAll("&quot;", '"')
      .replaceAll("&#39;", "'")
      .replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">")
      .replaceAll("&amp;", "&");
  const form = new RegExp(
    `<form[^>]* action="([^"]+)"[^>]*>\\s*<input type="hidden" name="${field}" value="([^"]*)"`,
  ).exec(html);
  return { action: unescaped(form?.[1] ?? ""), value: unescaped(form?.[2] ?? "") };
}
