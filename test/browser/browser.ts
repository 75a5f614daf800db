/** A browser for tests, and what every page of ours has to stand in it. */
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { packageRoot } from "../../src/version.ts";

/** `scripts/setup` installs Debian's. */
const CHROMIUM = process.env["CHROMIUM_PATH"] ?? "/usr/bin/chromium";

/** Pictures of pages, for people to look at; nothing compares them. */
const SCREENSHOTS = join(packageRoot, ".cache/screenshots");

/** What pages have to be readable in: a phone, and a window of ordinary size. */
const LOOKS = [
  [360, "light"],
  [360, "dark"],
  [1200, "light"],
  [1200, "dark"],
] as const;
const HEIGHT = 800;

/** WCAG 2.2, levels A and AA. */
const STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const OF_COLOURS = ["color-contrast", "link-in-text-block"];

export interface Tab {
  readonly page: Page;
  readonly context: BrowserContext;
  /**
   * What the browser complained about since it was opened: errors in the console (of the content policy too), scripts that
   * threw, and what a page asked for in vain. Answers that a test asks for itself are no complaint.
   */
  readonly complaints: readonly string[];
}

export function openBrowser(): Promise<Browser> {
  // The sandbox needs a user of its own, which root in a container can not give it.
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath: CHROMIUM, args });
}

/** A tab with a cookie jar of its own. */
export async function openTab(browser: Browser, options: BrowserContextOptions = {}): Promise<Tab> {
  const context = await browser.newContext({
    viewport: { width: 1200, height: HEIGHT },
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    ...options,
  });
  // A deadline for what never comes: machines that run tests are shared.
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(`threw: ${error.message}`));
  page.on("console", (message) => {
    // A page with status 404 is "failed to load" to the console as well; what it loads itself is looked at below.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
      complaints.push(`console: ${message.text()}`);
    }
  });
  page.on("response", (answer) => {
    if (answer.status() >= 400 && !answer.request().isNavigationRequest()) {
      complaints.push(`${answer.status()} for ${answer.url()}`);
    }
  });
  page.on("requestfailed", (request) => {
    // Leaving a page ends what it was still loading.
    if (request.failure()?.errorText !== "net::ERR_ABORTED") complaints.push(`no answer for ${request.url()}`);
  });
  return { page, context, complaints };
}

/**
 * What is wrong with how the open page looks: wider than its window, or against the rules of accessibility. Judged on a
 * light phone and in a dark window, which has both widths and both colour schemes; what colours decide twice, the rest once.
 * Takes a picture of each as `<name>-<width>-<scheme>.png`; with SCREENSHOTS=all, of the other two as well.
 */
export async function critique({ page }: Tab, name: string): Promise<string[]> {
  const problems: string[] = [];
  await mkdir(dirname(join(SCREENSHOTS, name)), { recursive: true });
  for (const [width, scheme] of LOOKS) {
    const judged = (width === 360) === (scheme === "light");
    if (!judged && process.env["SCREENSHOTS"] !== "all") continue;
    await page.setViewportSize({ width, height: HEIGHT });
    await page.emulateMedia({ colorScheme: scheme });
    await page.screenshot({ path: join(SCREENSHOTS, `${name}-${width}-${scheme}.png`), fullPage: true });
    if (!judged) continue;
    const wide = await page.evaluate<string[]>(TOO_WIDE);
    const found = [...wide.map((what) => `${what} is wider than the window`), ...(await violations(page, scheme))];
    problems.push(...found.map((what) => `${width} px, ${scheme}: ${what}`));
  }
  return problems;
}

/** Runs in the page: what makes it scroll sideways; empty: nothing does. */
const TOO_WIDE = `(() => {
  const root = document.documentElement;
  if (root.scrollWidth <= root.clientWidth) return [];
  const culprits = [...document.querySelectorAll("body *")].filter(
    (element) => element.getBoundingClientRect().right > root.clientWidth + 1,
  );
  return ["the page", ...culprits.slice(0, 5).map(({ tagName, className }) => tagName + "." + className)];
})()`;

async function violations(page: Page, scheme: "light" | "dark"): Promise<string[]> {
  const axe = new AxeBuilder({ page });
  const found = await (scheme === "light" ? axe.withTags(STANDARD) : axe.withRules(OF_COLOURS)).analyze();
  return found.violations.map(({ id, help, nodes }) => {
    const where = nodes.slice(0, 5).map(({ html }) => html.slice(0, 200));
    return `${id}: ${help}: ${where.join("  ")}`;
  });
}
