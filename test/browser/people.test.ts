/** What people do in a browser who sign in with their own account of a host, and what they may not. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { Browser } from "playwright-core";
import type { HostAccount, HostInstallation, HostRepository } from "../hosts/github/index.ts";
import { createWorld, digestOf, eventually, type World } from "../support/world.ts";
import { critique, openBrowser, openTab, type Tab } from "./browser.ts";
import { signInWithGithub } from "./sign-in.ts";

const FILE =
  "version: 1\nimages:\n  - name: api\n    rules: [{ branch: main, tags: [latest] }, { pull_request: main }]\n";

let browser: Browser;
let world: World;
let acme: HostAccount;
let repository: HostRepository;
let installation: HostInstallation;
let tab: Tab;
/** Whether builds come to an end; else they run on. */
let quick = true;

beforeAll(async () => {
  browser = await openBrowser();
}, 180_000);

afterAll(() => browser.close());

beforeEach(async () => {
  quick = true;
  world = await createWorld({
    // It has pages at an address that a browser finds.
    bitbucket: true,
    namespaces: { kind: "automatic", provider: "github", host: "default" },
    async build({ request, signal, log }) {
      log("STEP 1/1: FROM scratch\n");
      if (quick) return { kind: "built", image: { digest: digestOf(request.source.sha) } };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      return { kind: "stopped" };
    },
  });
  const { github } = world;
  acme = github.organization("acme");
  repository = await github.repository(acme, "api", { private: true });
  await repository.commit({ message: "Begin", files: { Dockerfile: "FROM scratch\n", ".wharfinger.yml": FILE } });
  // The first of them says who owns acme.
  const permissions = { members: "read", checks: "write", contents: "read", metadata: "read", pull_requests: "read" };
  installation = await github.install(acme, { repositories: [repository], permissions });
  await eventually("the installation is known", async () =>
    (await world.store().findRepositories("acme/api")).length === 1 ? true : null,
  );
  tab = await openTab(browser);
}, 180_000);

afterEach(async () => {
  await tab.context.close();
  const { violations } = world.github;
  await world.close();
  expect(violations).toEqual([]);
  expect(tab.complaints).toEqual([]);
}, 180_000);

/** Resolves with the id of the push's build: lists do not go on by themselves. */
async function pushed(): Promise<string> {
  const { sha } = await world.github.push(repository, { message: "Change", files: { "a.txt": "a" } });
  return eventually("it is to be built", async () => {
    const { items } = await world.api<{ items: { id: string; sha: string }[] }>("/builds");
    return items.find((one) => one.sha === sha)?.id ?? null;
  });
}

/** Of a stranger's pull request, which waits to be approved. */
async function heldBuild(): Promise<string> {
  const fork = await world.github.fork(repository, world.github.user("stranger"));
  await fork.commit({ branch: "fix", message: "Fix", files: { "README.md": "fixed" } });
  await world.github.openPull(repository, { head: "fix", from: fork, title: "Fix" });
  return eventually("it is held", async () => {
    const { items } = await world.api<{ items: { id: string; state: string }[] }>("/builds");
    return items.find(({ state }) => state === "held")?.id ?? null;
  });
}

describe("somebody who may push", () => {
  it("gets from the install to the first image by clicks alone, and leaves no mark on the commit", async () => {
    const rita = world.github.user("rita");
    world.github.setMembership(acme, rita, { role: "member", state: "active" });
    world.github.setRole(repository, rita, "write");
    const { page } = tab;
    // Where GitHub leads people once they have installed the App.
    await page.goto(`${world.url}/setup/github?installation_id=${installation.id}&setup_action=install`);
    expect(await critique(tab, "sign-in-ways")).toEqual([]);
    await signInWithGithub(tab, "rita");
    await page.getByRole("heading", { name: "acme" }).waitFor();
    const now = page.getByRole("button", { name: "Build acme/api now" });
    // Until what is in the repository is known the page loads itself again.
    await now.waitFor();
    expect(await critique(tab, "landing")).toEqual([]);
    await now.click();
    await page.getByText(/^docker pull /).waitFor();
    expect(await page.locator("h1").textContent()).toContain("acme/api");
    expect(repository.checkRuns((await repository.ref("refs/heads/main")) ?? "")).toEqual([]);
  }, 180_000);

  it("cancels a build that runs, and repeats it", async () => {
    quick = false;
    world.github.setRole(repository, world.github.user("rita"), "write");
    await pushed();
    const { page } = tab;
    await page.goto(`${world.url}/`);
    await signInWithGithub(tab, "rita");
    await page.getByRole("link", { name: "acme/api" }).first().click();
    await page.getByText("STEP 1/1: FROM scratch").waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.locator("h1").getByText("canceled").waitFor();
    quick = true;
    await page.getByRole("button", { name: /again|retry|repeat/i }).click();
    await page.getByText(/^docker pull /).waitFor();
  }, 180_000);
});

describe("somebody who may approve", () => {
  it("lets a stranger's pull request be built, and is named for it", async () => {
    world.github.setRole(repository, world.github.user("rita"), "write");
    const id = await heldBuild();
    const { page } = tab;
    await page.goto(`${world.url}/builds/${id}`);
    await signInWithGithub(tab, "rita");
    expect(await critique(tab, "build-held-person")).toEqual([]);
    await page.getByRole("button", { name: "Approve and build" }).click();
    await page.locator("h1").getByText("succeeded").waitFor();
    const { approval } = await world.api<{ approval: { actor: { login: string } } | null }>(`/builds/${id}`);
    expect(approval).toMatchObject({ actor: { login: "rita" } });
  }, 180_000);
});

describe("an owner of the organization", () => {
  it("changes the policy, and makes a token that is shown once", async () => {
    const olga = world.github.user("olga");
    world.github.setMembership(acme, olga, { role: "admin", state: "active" });
    const { page } = tab;
    await page.goto(`${world.url}/installations/github/default/${installation.id}/settings`);
    await signInWithGithub(tab, "olga");
    await page.getByLabel("Pull requests from forks").selectOption("never");
    await page.getByRole("button", { name: "Save the policy" }).click();
    await page.getByText("The policy is changed.").waitFor();
    await page.getByLabel("What it is for").first().fill("cluster-eu");
    await page.getByRole("button", { name: "Make a token" }).first().click();
    await page.getByText("Copy it now: it is not shown again").waitFor();
    expect(await page.getByLabel("The token").first().textContent()).toMatch(/^wh[af]_/);
    await page.goto(`${world.url}/installations/github/default/${installation.id}/settings`);
    expect(await page.locator("main").innerText()).not.toMatch(/wh[af]_[a-z2-7]{16}_/);
    const { items } = await world.api<{ items: { by: { actor: { login: string } | null }; action: string }[] }>(
      "/audit",
    );
    expect(
      items
        .filter(({ by }) => by.actor?.login === "olga")
        .map(({ action }) => action)
        .toSorted(),
    ).toEqual(["policy.changed", "token.made"]);
  }, 180_000);
});

describe("somebody who may only read", () => {
  it("sees what waits to be approved, and is not offered to", async () => {
    world.github.setRole(repository, world.github.user("reader"), "read");
    const { page } = tab;
    const id = await heldBuild();
    await page.goto(`${world.url}/builds/${id}`);
    await signInWithGithub(tab, "reader");
    await page.locator("h1").getByText("held").waitFor();
    expect(await page.getByRole("button", { name: /approve/i }).count()).toBe(0);
  }, 180_000);

  it("watches, and is offered nothing to change", async () => {
    quick = false;
    world.github.setRole(repository, world.github.user("reader"), "read");
    await pushed();
    const { page } = tab;
    await page.goto(`${world.url}/`);
    await signInWithGithub(tab, "reader");
    await page.getByRole("link", { name: "acme/api" }).first().click();
    await page.getByText("STEP 1/1: FROM scratch").waitFor();
    expect(
      await page
        .locator("main")
        .getByRole("button", { name: /cancel|build|approve/i })
        .count(),
    ).toBe(0);
    expect(await page.getByRole("link", { name: "Admin" }).count()).toBe(0);
  }, 180_000);
});

describe("a stranger", () => {
  it("finds nothing, whatever address they were given", async () => {
    world.github.user("stranger");
    const id = await pushed();
    const { page } = tab;
    await page.goto(`${world.url}/installations`);
    await signInWithGithub(tab, "stranger");
    await page.getByRole("heading", { name: "Installations" }).waitFor();
    expect(await page.locator("main").textContent()).not.toContain("acme");
    for (const path of [`/builds/${id}`, `/builds/${id}/log`, "/admin", "/admin/claims"]) {
      const answer = await page.goto(world.url + path);
      expect([path, answer?.status()]).toEqual([path, 404]);
    }
  }, 180_000);
});
