/** How people come in, in a browser. */
import type { Tab } from "./browser.ts";

/** With the token; ends on the builds. */
export async function signInAsOperator({ page }: Tab, url: string, token: string): Promise<void> {
  await page.goto(`${url}/auth/sign-in`);
  // Folded where people can sign in with accounts of their own.
  const folded = page.getByText("Sign in as the operator of this server");
  if (await folded.isVisible()) await folded.click();
  await page.getByLabel("Operator's token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${url}/`);
}

/** From wherever they were sent to sign in, through the page of the stand-in where they say who they are, and back. */
export async function signInWithGithub({ page }: Tab, login: string): Promise<void> {
  await page.getByRole("link", { name: "Sign in with GitHub" }).click();
  await page.getByLabel("You are").selectOption(login);
  await page.getByRole("button", { name: "Authorize" }).click();
}

/** The same with Bitbucket's. */
export async function signInWithBitbucket({ page }: Tab, login: string): Promise<void> {
  await page.getByRole("link", { name: "Sign in with Bitbucket" }).click();
  await page.getByLabel("You are").selectOption(login);
  await page.getByRole("button", { name: "Grant access" }).click();
}
