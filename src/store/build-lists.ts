import { hostKey } from "../core/model.ts";
import type { BuildFilter, Store } from "../engine/store-port.ts";
import { SELECT_BUILDS, toBuild } from "./build-rows.ts";
import type { Database } from "./database.ts";
import { afterKey, page, rowsWanted } from "./pages.ts";
import { integer, keyNumber, type Value } from "./rows.ts";

/** One statement for a page, whatever it is filtered by. */
export function createBuildLists(database: Database): Pick<Store, "listBuilds"> {
  return {
    async listBuilds(query) {
      const bind: Value[] = [afterKey("builds", query.cursor), rowsWanted(query)];
      const conditions = ["b.seq < $1", ...conditionsOf(query, (value) => `$${bind.push(value)}`)];
      const rows = await database.query(
        `${SELECT_BUILDS} WHERE ${conditions.join(" AND ")} ORDER BY b.seq DESC LIMIT $2`,
        bind,
      );
      const listed = page("builds", query, rows, (row) => integer(row, "seq"));
      return { items: listed.items.map(toBuild), next: listed.next };
    },
  };
}

/** `bound`: binds a value, and answers its place in the statement. */
function conditionsOf(filter: BuildFilter, bound: (value: Value) => string): readonly string[] {
  const { deliveryId, installation, installations, repository, repositoryName, state, image, refs, trigger, failure } =
    filter;
  const among = (column: string, values: readonly string[] | undefined): readonly string[] => {
    if (values === undefined) return [];
    // An empty list is something that nothing is one of, and no list in SQL.
    return [values.length === 0 ? "1 = 0" : `${column} IN (${values.map(bound).join(", ")})`];
  };
  return [
    ...(deliveryId === undefined ? [] : [`b.delivery = ${bound(keyNumber(deliveryId))}`]),
    ...among("b.installation", installation && [hostKey(installation)]),
    ...among("b.installation", installations?.map(hostKey)),
    ...among("b.repository", repository && [hostKey(repository)]),
    ...(repositoryName === undefined
      ? []
      : [`b.repository IN (SELECT key FROM repositories WHERE LOWER(full_name) = LOWER(${bound(repositoryName)}))`]),
    ...among("b.state", state && [state]),
    ...among("b.full_image", image === undefined ? undefined : [image]),
    ...among("b.ref", refs),
    ...among("b.cause", trigger && [trigger]),
    // By its index, which holds only those that failed.
    ...(failure === undefined ? [] : [`b.failure IS NOT NULL AND b.failure_class = ${bound(failure)}`]),
  ];
}
