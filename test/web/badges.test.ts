import { afterEach, describe, expect, it } from "@jest/globals";
import type { BadgeState } from "../../src/core/badge.ts";
import type { WantedBadge } from "../../src/engine/badges.ts";
import { openSite, type Site } from "./world.ts";

let site: Site | null = null;
afterEach(async () => {
  await site?.close();
  site = null;
});

async function open(state: BadgeState, isOpen = true) {
  const asked: WantedBadge[] = [];
  site = await openSite({
    badges: {
      state: async (wanted) => {
        asked.push(wanted);
        return { state, open: isOpen };
      },
      markdown: () => Promise.reject(new Error("nobody asks for it here")),
    },
  });
  return { url: site.url, asked };
}

describe("GET /badge", () => {
  it("is an image for other sites' pages, with nothing in it to run", async () => {
    const { url, asked } = await open("passing");
    const answer = await fetch(`${url}/badge/github/acme/my.api.svg?branch=release%2F1&image=api&token=t`);
    expect(answer.status).toBe(200);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "content-type": "image/svg+xml; charset=utf-8",
      "cache-control": "public, max-age=60",
      "cross-origin-resource-policy": "cross-origin",
      "content-security-policy": "default-src 'none'; sandbox",
      "x-content-type-options": "nosniff",
    });
    expect(await answer.text()).toMatch(/^<svg .*passing/s);
    expect(asked).toEqual([
      {
        ...{ provider: "github", host: "default", fullName: "acme/my.api" },
        ...{ branch: "release/1", image: "api", token: "t" },
      },
    ]);
  });

  it("names the host where that is a further one", async () => {
    const { url, asked } = await open("passing");
    expect((await fetch(`${url}/badge/github/ghes/acme/api.svg`)).status).toBe(200);
    expect(asked).toEqual([
      { provider: "github", host: "ghes", fullName: "acme/api", branch: null, image: null, token: null },
    ]);
  });

  it("is kept by nobody but the reader where it is not for everybody", async () => {
    const { url } = await open("failing", false);
    const answer = await fetch(`${url}/badge/bitbucket/acme/api.svg?token=t`);
    expect([answer.status, answer.headers.get("cache-control")]).toEqual([200, "private, max-age=60"]);
  });

  it("says so where there is nothing to show", async () => {
    const { url } = await open("unknown");
    const answer = await fetch(`${url}/badge/github/acme/api.svg`);
    expect(answer.status).toBe(404);
    expect(await answer.text()).toMatch(/^<svg .*unknown/s);
  });

  it.each([
    "gitlab/acme/api.svg",
    "github/acme/api.png",
    "github/acme/api",
    "github/acme/.svg",
    `github/acme/${"a".repeat(301)}.svg`,
    "github/acme/api.svg?branch=a&branch=b",
    `github/acme/api.svg?token=${"t".repeat(301)}`,
  ])("asks nobody about %s", async (path) => {
    const { url, asked } = await open("passing");
    expect((await fetch(`${url}/badge/${path}`)).status).toBe(404);
    expect(asked).toEqual([]);
  });

  it("shows nothing of what was asked for", async () => {
    const { url } = await open("unknown");
    const answer = await fetch(`${url}/badge/github/%3Cscript%3E/x.svg?branch=%3Cscript%3E&image=%3Cscript%3E`);
    expect(await answer.text()).not.toContain("script");
  });

  it("is read only", async () => {
    const { url } = await open("passing");
    const answer = await fetch(`${url}/badge/github/acme/api.svg`, { method: "POST" });
    expect([answer.status, answer.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });
});
