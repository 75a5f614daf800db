/** As much of a browser as signing in needs: it keeps cookies, and follows nothing by itself. */

export interface TestBrowser {
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  /** `name=value` of each. */
  cookies(): readonly string[];
  /** The same browser, where the program listens elsewhere now. */
  at(url: string): TestBrowser;
}

export function createBrowser(url: string, cookies: readonly string[] = []): TestBrowser {
  const jar = new Map(cookies.map((cookie): [string, string] => [cookie.split("=")[0] ?? "", cookie]));
  return browserWith(url, jar);
}

function browserWith(url: string, jar: Map<string, string>): TestBrowser {
  return {
    async get(path, headers = {}) {
      const answer = await fetch(url + path, {
        redirect: "manual",
        headers: { Accept: "text/html", Cookie: [...jar.values()].join("; "), ...headers },
      });
      for (const line of answer.headers.getSetCookie()) {
        const cookie = line.split(";")[0] ?? "";
        const name = cookie.split("=")[0] ?? "";
        if (/;\s*Max-Age=0\b/i.test(line)) jar.delete(name);
        else jar.set(name, cookie);
      }
      return answer;
    },
    cookies: () => [...jar.values()],
    at: (other) => browserWith(other, jar),
  };
}
