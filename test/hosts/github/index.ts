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
 * Pull requests, from a branch or a fork; who may approve them; the merge queue:
 *
 *     const fork = await host.fork(api, host.user("eve"));
 *     await fork.commit({ branch: "fix", files: { "a.txt": "1" } });
 *     const { pull } = await host.openPull(api, { head: "fix", from: fork }); // pull_request.opened
 *     await host.push(fork, { branch: "fix", files: { "a.txt": "2" } }); // pull_request.synchronize
 *     host.setRole(api, host.user("rita"), "write");
 *     await host.pressButton(run, "approve", host.user("rita")); // check_run.requested_action
 *     await host.mergePull(pull); // push, pull_request.closed
 *     const { group } = await host.enqueue(other); // push, merge_group.checks_requested
 *     await host.dequeue(group, "merged"); // push, pull_request.closed, merge_group.destroyed, push
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
