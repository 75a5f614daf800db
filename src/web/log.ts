import type { Request, Response } from "express";
import { z } from "zod";
import type { LogStore } from "../engine/ports.ts";
import { sendPieces } from "./download.ts";
import { readQuery } from "./requests.ts";

export type Logs = Pick<LogStore, "read">;

const CHUNK = 256 * 1024;
const WRONG_OFFSET = "offset must be a number of bytes.";

export const OFFSET_QUERY = z.object({
  offset: z
    .string(WRONG_OFFSET)
    .regex(/^\d{1,15}$/, WRONG_OFFSET)
    .default("0")
    .transform(Number)
    .meta({ description: "Bytes to leave out.", override: { type: "integer", minimum: 0, default: 0 } }),
});

/**
 * The log as it is now, from byte `?offset=` on, as plain text. Who follows a running build asks again with the offset
 * advanced by the answer's length. No log yet is an empty one.
 */
export async function sendLog(logs: Logs, buildId: string, req: Request, res: Response): Promise<void> {
  const { offset: start } = readQuery(OFFSET_QUERY, req);
  const first = await logs.read(buildId, start, CHUNK);
  const end = Math.max(start, first?.size ?? 0);
  res.status(200).set({ "Content-Type": "text/plain; charset=utf-8", "Content-Length": String(end - start) });
  if (req.method === "HEAD") {
    res.end();
    return;
  }
  await sendPieces(res, chunks(logs, buildId, start, end));
}

async function* chunks(logs: Logs, buildId: string, start: number, end: number): AsyncGenerator<Buffer> {
  for (let at = start; at < end; ) {
    const part = await logs.read(buildId, at, Math.min(CHUNK, end - at));
    if (part === null || part.bytes.length === 0) {
      throw new Error(`The log of build ${buildId} became shorter while it was sent.`);
    }
    at += part.bytes.length;
    yield part.bytes;
  }
}
