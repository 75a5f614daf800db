/**
 * A stand-in for Bitbucket Cloud: the REST operations this product uses, checked against Bitbucket's own API description
 * (openapi.json beside this file, made by scripts/bitbucket-openapi.mjs), Connect installs with real JWTs, access tokens,
 * build statuses and reports, real git repositories over HTTP, webhooks through both doors. It listens on two free ports
 * of 127.0.0.1: one is what bitbucket.org is, the other what api.bitbucket.org is.
 *
 *     const host = await createBitbucketHost();
 *     const acme = host.workspace("acme");
 *     const api = await host.repository(acme, "api", { private: true });
 *     await api.commit({ message: "Start", files: { "README.md": "hello" } }); // no webhook
 *     const token = host.accessToken({ workspace: acme, scopes: ["repository", "pullrequest", "webhook"] });
 *     host.addHook({ workspace: acme, url: `${base}/webhooks/bitbucket/1`, events: ["repo:push"], secret });
 *     const { sha, deliveries } = await api.push([{ branch: "main", files: { Dockerfile: "FROM scratch\n" } }]);
 *     // … deliveries[0].status is what the webhook answered; later:
 *     expect(api.statuses(sha).map((status) => status.state)).toEqual(["SUCCESSFUL"]);
 *     expect(host.violations).toEqual([]);
 *     await host.close();
 *
 * The other door: `await host.install(acme, { descriptor: `${base}/atlassian-connect.json` })`. What people see of the app
 * is at `host.framePage(…)`, where they consent to it at `host.consentPage(…)`. Forgers have `signJwt` and `sendRaw`.
 * Point the product at `host.apiUrl` (API) and `host.url` (web, token endpoint and git).
 * Faults: `host.inject({ match: (call) => call.route?.endsWith("/statuses/build") === true, effect: { status: 502 } })`;
 * `host.exhaust(token)` uses up an hourly allowance. Time: `host.advance(milliseconds)`.
 */
export type * from "./contract.ts";
export { DescriptorRefused } from "./descriptor.ts";
export { createBitbucketHost } from "./host.ts";
export { queryStringHash, readJwt, signJwt } from "./jwt.ts";
export { sendRaw } from "./post.ts";
