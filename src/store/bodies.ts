import { promisify } from "node:util";
import { type BrotliOptions, brotliCompress, brotliCompressSync, brotliDecompress, constants } from "node:zlib";

// Quality 1 is the fastest setting that still brings a push to a fifth of its size; a window larger than the usual body
// only costs memory to clear.
const OPTIONS: BrotliOptions = {
  params: { [constants.BROTLI_PARAM_QUALITY]: 1, [constants.BROTLI_PARAM_LGWIN]: 16 },
};

/** Below this, compressing here (tens of microseconds) is cheaper than the way to another thread and back. */
const SMALL_BYTES = 64 * 1024;

const compress = promisify<Buffer, BrotliOptions, Buffer>(brotliCompress);
const decompress = promisify<Buffer, BrotliOptions, Buffer>(brotliDecompress);

/** Above what any entrance lets in; stops a damaged row from becoming gigabytes. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

export function packBody(body: Buffer): Buffer | Promise<Buffer> {
  return body.length <= SMALL_BYTES ? brotliCompressSync(body, OPTIONS) : compress(body, OPTIONS);
}

/** Null when the bytes are not what {@link packBody} made. */
export async function unpackBody(packed: Buffer): Promise<Buffer | null> {
  return decompress(packed, { maxOutputLength: MAX_BODY_BYTES }).catch(() => null);
}
