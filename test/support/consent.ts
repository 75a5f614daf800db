/** What somebody's browser does on a stand-in host's page. */

/** Answers the page at `address` as a person; answers where they are sent back to. */
export async function agree(address: string, fields: Readonly<Record<string, string>>): Promise<string> {
  const body = new URLSearchParams({ decision: "authorize", ...fields });
  const answer = await fetch(address, { method: "POST", body, redirect: "manual" });
  const location = answer.headers.get("location");
  if (location === null) throw new Error(`nobody was sent back: ${answer.status} ${await answer.text()}`);
  return location;
}
