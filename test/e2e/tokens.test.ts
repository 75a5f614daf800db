/** The compiled program and a real registry that trusts its tokens, which is how operators are told to set them up. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createGithubHost, type GithubHost, type HostCheckRun, type HostRepository } from "../hosts/github/index.ts";
import { type ImageRegistry, openUploads, pushImage, tagsOf } from "../registry/images.ts";
import { pushBaseImage } from "../support/base-image.ts";
import { compiledMain } from "../support/compiled.ts";
import {
  type Attempt,
  type AttemptAnswer,
  attempt,
  type Credential,
  readCredential,
  uploadTo,
} from "../support/registry-attempt.ts";
import { startTokenProgram, type TokenProgram } from "../support/token-program.ts";
import { eventually } from "../support/world.ts";

const run = promisify(execFile);
const MAIN = compiledMain();

let folder: string;
let dataDir: string;
let github: GithubHost;
let lab: TokenProgram;
/** The registry, for whoever may do everything. */
let all: ImageRegistry;
let base: string;
let api: HostRepository;
let web: HostRepository;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-e2e-tokens-"));
  dataDir = join(folder, "data");
  github = await createGithubHost();
  const env = { BUILD_CONCURRENCY: "2", NAMESPACE_POLICY: "automatic" };
  lab = await startTokenProgram({ main: MAIN, github, dataDir, env });
  all = { ...lab.registry, issue: lab.issue };
  base = await pushBaseImage(lab.registry, { repository: "acme/base", issue: lab.issue });
  await pushImage(all, "other/secret", { tag: "1" });
  const acme = github.organization("acme");
  [api, web] = (await Promise.all(["api", "web"].map((name) => github.repository(acme, name, { private: true })))) as [
    HostRepository,
    HostRepository,
  ];
  for (const one of [api, web]) await one.commit({ message: "Begin", files: { "README.md": "hello" } });
  await github.install(acme, { repositories: [api, web] });
  await claimApproved();
}, 120_000);

/** The registry has `acme/base` already, which nobody here has published: somebody has to say that it is theirs. */
async function claimApproved(): Promise<void> {
  const headers = { authorization: `Bearer ${lab.program.adminToken}`, "content-type": "application/json" };
  const claims = `${lab.program.url}/api/v1/claims`;
  const { id, reason } = await eventually("the claim", async () => {
    const { items } = (await (await fetch(claims, { headers })).json()) as { items: { id: string; reason: string }[] };
    return items[0] ?? null;
  });
  expect(reason).toBe("occupied");
  const approve = (body: object) =>
    fetch(`${claims}/${id}/approve`, { method: "POST", headers, body: JSON.stringify(body) });
  expect((await approve({})).status).toBe(409);
  expect((await approve({ anyway: true })).status).toBe(200);
}

afterAll(async () => {
  await lab?.stop();
  await github?.close();
  await rm(folder, { recursive: true, force: true });
});

function files(image: string, command: string, from = base): Record<string, string> {
  const rules = `[{ branch: main, tags: [latest, "sha-{sha7}"] }]`;
  return {
    Dockerfile: `FROM ${from}\nRUN ${command}\n`,
    ".wharfinger.yml": `version: 1\nimages:\n  - { name: ${image}, rules: ${rules} }\n`,
  };
}

function concluded(repository: HostRepository, sha: string): Promise<HostCheckRun> {
  const last = () => repository.checkRuns(sha).at(-1);
  return eventually("a concluded check", () => (last()?.conclusion ? (last() ?? null) : null), 60_000);
}

interface ApiBuild {
  readonly id: string;
  readonly sha: string;
  readonly state: string;
  readonly digest: string | null;
}

async function buildOf(sha: string): Promise<ApiBuild | null> {
  const { url, adminToken } = lab.program;
  const headers = { authorization: `Bearer ${adminToken}` };
  const { items } = (await (await fetch(`${url}/api/v1/builds`, { headers })).json()) as { items: ApiBuild[] };
  return items.find((one) => one.sha === sha) ?? null;
}

function capture(buildId: string): Promise<Credential> {
  return eventually("the build has its credential", () => readCredential(dataDir, lab.registry.name, buildId));
}

function pullOf(repository: string, reference: string): Attempt {
  return { method: "GET", path: `/v2/${repository}/manifests/${reference}`, scope: `repository:${repository}:pull` };
}

function deletionOf(repository: string, digest: string): Attempt {
  const scope = `repository:${repository}:delete`;
  return { method: "DELETE", path: `/v2/${repository}/manifests/${digest}`, scope };
}

const REFUSED: AttemptAnswer = { status: 401, code: "UNAUTHORIZED" };

describe("a registry that trusts the program's tokens", () => {
  it("gets a push built on a base image that is its owner's only, staged, and published", async () => {
    const { sha } = await github.push(api, { files: files("api", "echo built > /built") });
    const check = await concluded(api, sha);
    expect(check.output.summary).toContain("acme/api");
    expect(check.conclusion).toBe("success");
    const build = await buildOf(sha);
    const staging = `staging/${build?.id}`;
    const tags = ["latest", `sha-${sha.slice(0, 7)}`];
    expect(await tagsOf(all, "acme/api")).toEqual(tags);
    for (const tag of tags)
      expect(await lab.client.digest("acme/api", tag)).toEqual({ ok: true, value: build?.digest });
    await eventually("staging is empty", async () => ((await tagsOf(all, staging)).length === 0 ? true : null));
    expect(await lab.client.digest(staging, build?.digest ?? "")).toEqual({ ok: true, value: null });
    expect(await openUploads(all)).toEqual([]);
    // The registry told of both, and the program knew whose they are.
    await eventually("the registry's notifications", () => {
      const said = lab.program.output();
      return said.includes("the registry has a staged image") && said.includes("the registry has a published image")
        ? true
        : null;
    });
    expect(lab.program.output()).not.toContain("somebody else has pushed");
  }, 90_000);

  it("lets nobody pull without a name", async () => {
    const image = `docker://${lab.registry.name}/acme/api:latest`;
    const pulled = run("skopeo", ["inspect", "--tls-verify=false", "--no-creds", image]);
    await expect(pulled).rejects.toThrow(/authentication required|unauthorized/i);
    for (const name of ["acme/api", "acme/base"]) {
      expect(await attempt(lab, null, pullOf(name, "latest"))).toEqual(REFUSED);
    }
  });

  it("refuses a build everything but its own staging repository and its owner's images, and all of it afterwards", async () => {
    const slow = "sleep 6";
    const first = await github.push(api, { files: files("api", slow) });
    const second = await github.push(web, { files: files("web", slow) });
    const [one, other] = await Promise.all(
      [first.sha, second.sha].map((sha) => eventually("the build is recorded", () => buildOf(sha))),
    );
    if (one === undefined || other === undefined) throw new Error("both builds are there");
    const [credential, others] = await Promise.all([capture(one.id), capture(other.id)]);
    expect(credential.password).not.toBe(others.password);

    // What it is for.
    expect((await attempt(lab, credential, uploadTo(`staging/${one.id}`))).status).toBe(202);
    expect((await attempt(lab, credential, pullOf("acme/base", "1"))).status).toBe(200);

    const staged = `staging/${other.id}`;
    const { digest } = await pushImage(all, staged, { tag: "build" });
    const latest = await lab.client.digest("acme/api", "latest");
    const published = latest.ok ? (latest.value ?? "") : "";
    const tries: Record<string, Attempt> = {
      "push to the published repository": uploadTo("acme/api"),
      "move its tag": { ...uploadTo("acme/api"), method: "PUT", path: "/v2/acme/api/manifests/latest" },
      "push to another image": uploadTo("acme/web"),
      "push to the base image": uploadTo("acme/base"),
      "push to another namespace": uploadTo("other/secret"),
      "pull from another namespace": pullOf("other/secret", "1"),
      "push to another build's staging": uploadTo(staged),
      "pull from another build's staging": pullOf(staged, digest),
      "push below its own staging": uploadTo(`staging/${one.id}/more`),
      "delete what is published": deletionOf("acme/api", published),
      "delete from another build's staging": deletionOf(staged, digest),
      "delete from its own staging": deletionOf(`staging/${one.id}`, digest),
      "list all repositories": { method: "GET", path: "/v2/_catalog", scope: "registry:catalog:*" },
      "ask for all there is": { ...uploadTo("acme/api"), scope: "repository:acme/api:*" },
    };
    const answers: Record<string, AttemptAnswer> = {};
    for (const [name, what] of Object.entries(tries)) answers[name] = await attempt(lab, credential, what);
    expect(answers).toEqual(Object.fromEntries(Object.keys(tries).map((name) => [name, REFUSED])));
    const target = `docker://${lab.registry.name}/acme/api:latest`;
    const creds = `${credential.username}:${credential.password}`;
    const copied = run("skopeo", [
      ...["copy", "--src-tls-verify=false", "--dest-tls-verify=false", `--src-creds=${creds}`, `--dest-creds=${creds}`],
      ...[`docker://${base}`, target],
    ]);
    await expect(copied).rejects.toThrow(/authentication required|denied|unauthorized/i);
    expect(await lab.client.digest("acme/api", "latest")).toEqual(latest);
    // It was all tried while the build was running.
    expect((await buildOf(first.sha))?.state).toBe("running");

    expect((await concluded(api, first.sha)).conclusion).toBe("success");
    expect((await concluded(web, second.sha)).conclusion).toBe("success");
    for (const what of [uploadTo(`staging/${one.id}`), pullOf("acme/base", "1"), ...Object.values(tries)]) {
      expect(await attempt(lab, credential, what)).toEqual({ status: 401, code: "no token" });
    }
  }, 120_000);

  it("tells on the commit of a base image that is somebody else's", async () => {
    const foreign = `${lab.registry.name}/other/secret:1`;
    const { sha } = await github.push(api, { files: files("api", "true", foreign) });
    const check = await concluded(api, sha);
    expect(check.conclusion).toBe("failure");
    expect(check.output.annotations[0]?.message).toMatch(
      /^The base image .*\/other\/secret:1 does not exist or is private/,
    );
  }, 60_000);

  it("followed GitHub's rules all the way, and left no upload open", async () => {
    expect(github.violations).toEqual([]);
    expect(await openUploads(all)).toEqual([]);
  });
});
