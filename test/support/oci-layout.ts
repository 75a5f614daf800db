/** A small image on disk, as skopeo and buildah read it. */
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

export interface OciLayout {
  /** For skopeo and buildah: `oci:<folder>:image`. */
  readonly reference: string;
  /** Of the manifest. */
  readonly digest: string;
  readonly manifest: Buffer;
  readonly mediaType: string;
  /** Digests of config and layer. */
  readonly blobs: readonly string[];
}

/** Images with different `words` have different layers. */
export async function writeOciLayout(folder: string, words: string): Promise<OciLayout> {
  const store = join(folder, "blobs/sha256");
  await mkdir(store, { recursive: true });
  async function put(mediaType: string, bytes: Buffer) {
    const hex = createHash("sha256").update(bytes).digest("hex");
    await writeFile(join(store, hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  }
  const layer = tar("words.txt", Buffer.from(words));
  const config = {
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [`sha256:${createHash("sha256").update(layer).digest("hex")}`] },
  };
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const parts = {
    config: await put("application/vnd.oci.image.config.v1+json", Buffer.from(JSON.stringify(config))),
    layers: [await put("application/vnd.oci.image.layer.v1.tar+gzip", gzipSync(layer))],
  };
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...parts }));
  const entry = await put(mediaType, manifest);
  const annotations = { "org.opencontainers.image.ref.name": "image" };
  await writeFile(
    join(folder, "index.json"),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...entry, annotations }] }),
  );
  await writeFile(join(folder, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  const blobs = [parts.config, ...parts.layers].map(({ digest }) => digest);
  return { reference: `oci:${folder}:image`, digest: entry.digest, manifest, mediaType, blobs };
}

/** One file in ustar form, and the two empty blocks of the end. */
function tar(name: string, bytes: Buffer): Buffer {
  const head = Buffer.alloc(512);
  head.write(name, 0);
  head.write("0000644\0", 100);
  head.write("0000000\0", 108);
  head.write("0000000\0", 116);
  head.write(`${bytes.length.toString(8).padStart(11, "0")}\0`, 124);
  head.write("00000000000\0", 136);
  head.write("        ", 148);
  head.write("0", 156);
  head.write("ustar\u000000", 257);
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  const padding = Buffer.alloc((512 - (bytes.length % 512)) % 512);
  return Buffer.concat([head, bytes, padding, Buffer.alloc(1024)]);
}
