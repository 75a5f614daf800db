/** Builds that somebody asks for are journalled like what hosts tell. */
import type { Store } from "../engine/store-port.ts";
import { writeAudit } from "./audit.ts";
import type { StoreParts } from "./builds.ts";
import { deliveryKey, journalStatement } from "./journal.ts";
import { key } from "./rows.ts";

export function createOrders({ database, clock }: StoreParts): Pick<Store, "orderBuild"> {
  return {
    async orderBuild(order, entry) {
      const { statement, bind } = await journalStatement(database.dialect, [order]);
      return database.transaction(async (sql) => {
        await writeAudit(sql, clock, entry);
        // Last but for a look: on PostgreSQL nobody else journals anything from here to the end of the transaction.
        await sql.prepared(statement, bind);
        const [row] = await sql.query(
          "SELECT id FROM deliveries WHERE provider = $1 AND host = $2 AND delivery_key = $3",
          [order.provider, order.host, deliveryKey(order.deliveryId)],
        );
        if (row === undefined) throw new Error(`the order ${order.deliveryId} was not journalled`);
        return key(row, "id");
      });
    },
  };
}
