/** A base image of a few megabytes: busybox and all its commands, made without buildah or a network. */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import type { IssueToken } from "../../src/registry/sign-in.ts";
import type { TestRegistry } from "./registry.ts";

const BUSYBOX = "/bin/busybox";

/** Where to put it, and how to sign in there. */
interface Place {
  readonly registry: TestRegistry;
  readonly repository: string;
  /** For a registry that takes tokens. */
  readonly issue: IssueToken | null;
}

/** Puts it into the registry and answers its full name, e.g. `127.0.0.1:5000/base/busybox:1`. */
export async function pushBaseImage(
  registry: TestRegistry,
  { repository = "base/busybox", issue = null }: Partial<Pick<Place, "repository" | "issue">> = {},
): Promise<string> {
  const place: Place = { registry, repository, issue };
  const layer = await makeLayer();
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      os: "linux",
      config: { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], Cmd: ["/bin/sh"] },
      rootfs: { type: "layers", diff_ids: [sha256(layer)] },
      history: [{ created: "2026-01-01T00:00:00Z", created_by: "busybox" }],
    }),
  );
  const packed = gzipSync(layer);
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: await putBlob(place, "application/vnd.oci.image.config.v1+json", config),
    layers: [await putBlob(place, "application/vnd.oci.image.layer.v1.tar+gzip", packed)],
  });
  await request(place, `/v2/${repository}/manifests/1`, {
    method: "PUT",
    headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" },
    body: manifest,
  });
  return `${registry.name}/${repository}:1`;
}

async function makeLayer(): Promise<Buffer> {
  const root = await mkdtemp(join(tmpdir(), "wharfinger-base-"));
  try {
    for (const folder of ["bin", "etc", "tmp"]) await mkdir(join(root, folder));
    for (const file of [BUSYBOX, ...libraries(BUSYBOX)]) {
      await mkdir(dirname(join(root, file)), { recursive: true });
      await writeFile(join(root, file), readFileSync(file), { mode: 0o755 });
    }
    for (const command of commands()) await symlink("busybox", join(root, "bin", command));
    await writeFile(join(root, "etc/passwd"), "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n");
    const args = [
      "--create",
      "--owner=0",
      "--group=0",
      "--numeric-owner",
      "--mtime=@0",
      "--sort=name",
      "--directory",
      root,
      ".",
    ];
    return execFileSync("tar", args, { maxBuffer: 64 * 1024 ** 2 });
  } finally {
    await rm(root, { recursive: true });
  }
}

function commands(): readonly string[] {
  const names = execFileSync(BUSYBOX, ["--list"], { encoding: "utf8" }).trim().split("\n");
  return names.filter((name) => name !== "busybox");
}

/**
 * The files `program` needs to start. None if it is static, which ldd says by failing. Most Debian machines come with
 * the busybox that is not: their initramfs uses it, and installing the static one would remove it.
 */
function libraries(program: string): readonly string[] {
  const { stdout, error } = spawnSync("ldd", [program], { encoding: "utf8" });
  if (error !== undefined) throw error;
  // `libc.so.6 => /lib/…/libc.so.6 (0x…)`, and the loader as `/lib64/ld-linux-x86-64.so.2 (0x…)`.
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].flatMap(([, path]) => path ?? []);
}

async function putBlob(to: Place, mediaType: string, bytes: Buffer): Promise<object> {
  const digest = sha256(bytes);
  const opened = await request(to, `/v2/${to.repository}/blobs/uploads/`, { method: "POST" });
  const place = new URL(opened.headers.get("location") ?? "", to.registry.url);
  place.searchParams.set("digest", digest);
  const body = new Uint8Array(bytes);
  await request(to, place.href, { method: "PUT", headers: { "content-type": "application/octet-stream" }, body });
  return { mediaType, digest, size: bytes.length };
}

async function request(to: Place, path: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  const authorization = await authorizationFor(to);
  if (authorization !== null) headers.set("authorization", authorization);
  const response = await fetch(new URL(path, to.registry.url), { ...init, headers });
  if (!response.ok) throw new Error(`${init.method} ${path}: ${response.status} ${await response.text()}`);
  return response;
}

async function authorizationFor({ registry, repository, issue }: Place): Promise<string | null> {
  if (issue !== null) return `Bearer ${(await issue([`repository:${repository}:pull,push`])).token}`;
  if (registry.username === null) return null;
  return `Basic ${Buffer.from(`${registry.username}:${registry.password}`).toString("base64")}`;
}

function sha256(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
