import { describe, expect, it } from "@jest/globals";
import { lifecycleDelivery } from "../../src/bitbucket/lifecycle-delivery.ts";

const uuid = "{acf54878-1111-4222-8333-444455556666}";

describe("the delivery that tells of a grant", () => {
  it("names the workspace, the door and the event, and nothing else", () => {
    const delivery = lifecycleDelivery({
      event: "installed",
      host: "default",
      workspace: { uuid, slug: "acme", kind: "organization" },
      door: "connect",
      id: "0b1c",
      nowMs: 1_790_000_000_000,
    });
    expect({ ...delivery, body: JSON.parse(delivery.body.toString("utf8")) }).toEqual({
      provider: "bitbucket",
      host: "default",
      deliveryId: "installed-0b1c",
      event: "installed",
      action: null,
      stream: `installation:${uuid}`,
      repositoryId: null,
      repositoryName: null,
      installationId: uuid,
      receivedAt: 1_790_000_000_000,
      body: { event: "installed", data: { workspace: { uuid, slug: "acme", kind: "organization" }, door: "connect" } },
    });
  });

  it("leaves out whatever else a workspace value carries", () => {
    const workspace = { uuid, slug: "acme", kind: "user", secret: "not for the journal" } as const;
    const delivery = lifecycleDelivery({
      event: "disconnected",
      host: "default",
      workspace,
      door: "webhook",
      id: "2",
      nowMs: 0,
    });
    expect(delivery.body.toString("utf8")).not.toContain("not for the journal");
  });
});
