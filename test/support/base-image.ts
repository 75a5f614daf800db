import { execFileSync } from "node:child_process";
/** A base image of two megabytes: a static busybox with the commands tests use, made without buildah or a network. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { TestRegistry } from "./registry.ts";

const COMMANDS =
  "sh ls cat id sleep echo touch mkdir env dd head tail yes ps stat chmod true false test seq tr find nc grep";

/** Puts it into the registry and answers its full name, e.g. `127.0.0.1:5000/base/busybox:1`. */
export async function pushBaseImage(registry: TestRegistry): Promise<string> {
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
    config: await putBlob(registry, "application/vnd.oci.image.config.v1+json", config),
    layers: [await putBlob(registry, "application/vnd.oci.image.layer.v1.tar+gzip", packed)],
  });
  await request(registry, "/v2/base/busybox/manifests/1", {
    method: "PUT",
    headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" },
    body: manifest,
  });
  return `${registry.name}/base/busybox:1`;
}

async function makeLayer(): Promise<Buffer> {
  const root = await mkdtemp(join(tmpdir(), "wharfinger-base-"));
  try {
    for (const folder of ["bin", "etc", "tmp"]) await mkdir(join(root, folder));
    await writeFile(join(root, "bin/busybox"), readFileSync("/bin/busybox"), { mode: 0o755 });
    for (const command of COMMANDS.split(" ")) await symlink("busybox", join(root, "bin", command));
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

async function putBlob(registry: TestRegistry, mediaType: string, bytes: Buffer): Promise<object> {
  const digest = sha256(bytes);
  const opened = await request(registry, "/v2/base/busybox/blobs/uploads/", { method: "POST" });
  const place = new URL(opened.headers.get("location") ?? "", registry.url);
  place.searchParams.set("digest", digest);
  const body = new Uint8Array(bytes);
  await request(registry, place.href, { method: "PUT", headers: { "content-type": "application/octet-stream" }, body });
  return { mediaType, digest, size: bytes.length };
}

async function request(registry: TestRegistry, path: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  if (registry.username !== null) {
    headers.set(
      "authorization",
      `Basic ${Buffer.from(`${registry.username}:${registry.password}`).toString("base64")}`,
    );
  }
  const response = await fetch(new URL(path, registry.url), { ...init, headers });
  if (!response.ok) throw new Error(`${init.method} ${path}: ${response.status} ${await response.text()}`);
  return response;
}

function sha256(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
