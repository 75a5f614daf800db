import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Response } from "express";

/**
 * Sends what is read piece by piece, no faster than it is taken, and ends the answer. Resolves, too, when the reader has
 * left: there is nothing to do then, and nobody to tell. Rejects when reading fails; the answer is cut off then, so that
 * nobody takes it for the whole.
 */
export async function sendPieces(res: Response, pieces: AsyncIterable<Uint8Array | string>): Promise<void> {
  try {
    await pipeline(Readable.from(pieces), res);
  } catch (error) {
    const code = typeof error === "object" && error !== null && "code" in error ? error.code : null;
    if (code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  }
}
