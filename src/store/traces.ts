import type { Verdict } from "../core/model.ts";
import { pack, unpack } from "./bodies.ts";
import { bytesOrNull, type Row } from "./rows.ts";

/** A push of many refs has thousands of verdicts, each much like the others. Null: nothing to keep. */
export async function traceToKeep(trace: readonly Verdict[]): Promise<Buffer | null> {
  return trace.length === 0 ? null : pack(Buffer.from(JSON.stringify(trace), "utf8"));
}

/** Of a row with the column `trace`. Damaged bytes are no trace: what was decided is recorded beside it. */
export async function storedTrace(row: Row): Promise<readonly Verdict[]> {
  const bytes = bytesOrNull(row, "trace");
  const json = bytes === null ? null : await unpack({ bytes, packed: true });
  // Written by traceToKeep only.
  return json === null ? [] : (JSON.parse(json.toString("utf8")) as readonly Verdict[]);
}
