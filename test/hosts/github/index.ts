/**
 * A stand-in for GitHub: the REST operations this product uses, checked against GitHub's own API description
 * (openapi.json beside this file, made by scripts/github-openapi.mjs), app and installation tokens, check runs, real git
 * repositories over HTTP, signed webhooks with a delivery log. It listens on a free port of 127.0.0.1.
 *
 *     const host = await createGithubHost({ webhook: { url: `${base}/webhooks/github`, secret } });
 *     const acme = host.organization("acme");
 *     const api = await host.repository(acme, "api", { private: true });
 *     await api.commit({ message: "Start", files: { "README.md": "hello" } }); // no webhook
 *     const installation = await host.install(acme, { repositories: [api] }); // installation.created
 *     const { sha, delivery } = await host.push(api, { message: "Build", files: { Dockerfile: "FROM scratch\n" } });
 *     // … delivery.status is what the webhook answered; later:
 *     expect(api.checkRuns(sha).map((run) => run.conclusion)).toEqual(["success"]);
 *     expect(host.violations).toEqual([]);
 *     await host.close();
 *
 * Point the product at `host.apiUrl` (API), `host.url` (web and git), with `host.appId` and `host.privateKey`.
 * Faults: `host.inject({ match: (call) => call.route === "/repos/{owner}/{repo}/check-runs", effect: { status: 502 } })`,
 * with `effect: secondaryLimit({ status: 429 })` for a limit; `host.exhaust(installation)` ends its hourly allowance.
 * Time: `host.advance(milliseconds)`. Kinds of host: options `basePath` and `tokenFormat`; {@link HOST_KINDS} for tests.
 */
export type * from "./contract.ts";
export { createGithubHost } from "./host.ts";
export { HOST_KINDS } from "./kinds.ts";
export { GITHUB_LIMITS, secondaryLimit } from "./limits.ts";
