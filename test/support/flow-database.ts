import { join } from "node:path";
import { createTestDatabase } from "./postgres.ts";

export interface FlowDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

let dialect: "sqlite" | "postgres" = "sqlite";

/** For a test file that runs another one on PostgreSQL; call it before importing that one. */
export function runFlowsOnPostgres(): void {
  dialect = "postgres";
}

/** An empty database: a file in the folder, unless {@link runFlowsOnPostgres} was called. */
export async function createFlowDatabase(folder: string): Promise<FlowDatabase> {
  if (dialect === "postgres") return createTestDatabase({ migrated: false });
  return { url: `sqlite:${join(folder, "flow.db")}`, drop: () => Promise.resolve() };
}
