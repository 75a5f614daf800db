import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createRegistryClient } from "../../src/registry/client.ts";
import {
  type BitbucketHost,
  createBitbucketHost,
  type HostRepository,
  type HostWorkspace,
} from "../hosts/bitbucket/index.ts";
import { createGithubHost, type GithubHost } from "../hosts/github/index.ts";
import { pushBaseImage } from "../support/base-image.ts";
import { DOORS, type Door } from "../support/bitbucket-door.ts";
import { type Opened, openProgramDoor } from "../support/bitbucket-program.ts";
import { compiledMain } from "../support/compiled.ts";
import { readImage } from "../support/image.ts";
import { contents, leaksIn, type Secret, shownText, watchCommandLines } from "../support/leaks.ts";
import { type Program, startProgram } from "../support/program.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { eventually } from "../support/world.ts";

const MAIN = compiledMain();

let folder: string;
let dataDir: string;
let registry: TestRegistry;
let github: GithubHost;
let bitbucket: BitbucketHost;
let program: Program;
let base: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-bitbucket-"));
  registry = await startRegistry({ auth: true });
  base = await pushBaseImage(registry);
  github = await createGithubHost();
  bitbucket = await createBitbucketHost();
  dataDir = join(folder, "data");
  const env = { NAMESPACE_POLICY: "automatic", NAMESPACE_HOST: "bitbucket:default" };
  program = await startProgram({ main: MAIN, github, bitbucket, registry, dataDir, env });
}, 120_000);

afterAll(async () => {
  await program?.stop();
  await bitbucket?.close();
  await github?.close();
  await registry?.stop();
  await rm(folder, { recursive: true, force: true });
});

function files(door: string): Record<string, string> {
  return {
    Dockerfile: `FROM ${base}\nCOPY . /srv\nRUN env && cat /proc/self/environ && sleep 1\n`,
    "marker.txt": `pushed through ${door}`,
    ".wharfinger.yml": "version: 1\nimages:\n  - { name: api, rules: [{ branch: main, tags: [latest] }] }\n",
  };
}

async function api(path: string): Promise<string> {
  const headers = { authorization: `Bearer ${program.adminToken}` };
  return (await fetch(`${program.url}${path}`, { headers })).text();
}

function concluded(repository: HostRepository, sha: string) {
  return eventually(
    "a final status and its report",
    () => {
      const [status] = repository.statuses(sha);
      const [report] = repository.reports(sha);
      return status === undefined || status.state === "INPROGRESS" || report === undefined ? null : { status, report };
    },
    60_000,
  );
}

async function pushThrough(door: Door, workspace: HostWorkspace, repository: HostRepository) {
  const opened = await openProgramDoor(door, workspace, { program, main: MAIN, cwd: dataDir, bitbucket });
  const { sha } = await repository.push([{ branch: "main", files: files(door) }]);
  return { opened, sha, ...(await concluded(repository, sha)) };
}

/** Everything secret of Bitbucket's that took part so far. */
function secrets({ token }: Opened): Secret[] {
  const git = (password: string) => Buffer.from(`x-token-auth:${password}`).toString("base64");
  const plain = (what: string, texts: readonly (string | null | undefined)[]) =>
    texts.flatMap((text) => (text ? [{ what, text }] : []));
  // Everything it gave out: access tokens as well as those of Connect.
  const tokens = [...bitbucket.issuedTokens, ...(token === null ? [] : [token.token])];
  return [
    ...plain(
      "webhook secret",
      bitbucket.hooks.map(({ secret }) => secret),
    ),
    ...plain(
      "shared secret",
      bitbucket.installs.map(({ secret }) => secret),
    ),
    ...plain("token", tokens),
    ...plain("Basic credential", tokens.map(git)),
    ...plain(
      "token of a delivery",
      bitbucket.deliveries.map(({ requestHeaders }) => requestHeaders["authorization"]?.replace(/^JWT /, "")),
    ),
  ];
}

/** What Bitbucket shows of us in its pages: the document in the frame. */
async function framed({ workspace }: Opened): Promise<string> {
  const install = bitbucket.installs.find((one) => one.workspace.uuid === workspace.uuid);
  if (install === undefined) return "";
  const user = bitbucket.user(`${workspace.slug}-owner`);
  const page = await (await fetch(bitbucket.framePage(install, "configure", { user }))).text();
  const source = /<iframe[^>]* src="([^"]+)"/.exec(page)?.[1]?.replaceAll("&amp;", "&") ?? "";
  return (await fetch(source)).text();
}

describe.each(DOORS)("a workspace that came through the door %s", (door) => {
  it("has its push built and shown, and no secret is left anywhere", async () => {
    const workspace = bitbucket.workspace(`acme-${door}`);
    const repository = await bitbucket.repository(workspace, "api", { private: true });
    await repository.commit({ message: "Begin", files: { "README.md": "hello" } });
    const commands = watchCommandLines();
    const { opened, sha, status, report } = await pushThrough(door, workspace, repository).finally(commands.stop);
    const commandLines = await commands.stop();
    expect(status).toMatchObject({ state: "SUCCESSFUL", refname: "main" });
    expect(report.content).toMatchObject({ result: "PASSED" });
    expect(commandLines).toContain("buildah");

    const { items } = JSON.parse(await api("/api/v1/builds")) as { items: { id: string; sha: string }[] };
    const build = items.find((one) => one.sha === sha)?.id;
    const log = await api(`/api/v1/builds/${build}/log`);
    const image = await readImage(createRegistryClient(registry), `acme-${door}/api`, "latest");
    const shown = [
      shownText("command lines", commandLines),
      shownText("the program's output", program.output()),
      shownText("what the command printed", opened.printed),
      shownText("the status and its report", JSON.stringify([status, report])),
      shownText("the build log", log),
      shownText("the builds", await api("/api/v1/builds")),
      shownText("the deliveries", await api("/api/v1/deliveries")),
      shownText("the build's page", await api(`/builds/${build}`)),
      shownText("the page in Bitbucket's frame", await framed(opened)),
      shownText("the metrics", await api("/metrics")),
      ...image.blobs.map((bytes, n) => ({ place: `blob ${n} of the image`, bytes })),
      ...(await contents(dataDir)),
    ];
    const looked = secrets(opened);
    expect(leaksIn(shown, looked)).toEqual([]);

    // Everything was looked for, and the search finds what is there.
    const kinds = { webhook: ["webhook secret"], connect: ["shared secret", "token of a delivery"] }[door];
    const found = new Set(looked.map(({ what }) => what));
    expect([...found]).toEqual(expect.arrayContaining(["token", "Basic credential", ...kinds]));
    expect(image.blobs.some((bytes) => bytes.includes(`pushed through ${door}`))).toBe(true);
    expect(log).toContain("PATH=");
    const database = shown.filter(({ place }) => place.includes("wharfinger.db"));
    expect(leaksIn(database, [{ what: "uuid", text: repository.uuid }]).length).toBeGreaterThan(0);
    if (door === "connect") expect(shown.find(({ place }) => place.includes("frame"))?.bytes.length).toBeGreaterThan(0);
  }, 120_000);
});

it("follows Bitbucket's rules all the way", () => {
  expect(bitbucket.violations).toEqual([]);
});
