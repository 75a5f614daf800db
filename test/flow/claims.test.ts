/** From an install to the first image, where the operator confirms who gets a namespace. */
import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { ADMIN_TOKEN, createWorld, eventually, type World } from "../support/world.ts";

interface Delivered {
  readonly outcome: string;
  readonly builds: readonly string[];
  readonly decisions: readonly { readonly reason: string | null; readonly detail: string }[];
}

let world: World;
beforeAll(async () => {
  world = await createWorld({ namespaces: { kind: "approve" } });
}, 60_000);
afterAll(() => world?.close());

const FILES = {
  Dockerfile: "FROM scratch\n",
  ".wharfinger.yml": "version: 1\nimages:\n  - { name: api, rules: [{ branch: main, tags: [latest] }] }\n",
};

it("a push waits for its namespace, says for whom, and is built once somebody has decided", async () => {
  const { github } = world;
  const acme = github.organization("acme");
  const repository = await github.repository(acme, "api", { private: true });
  await repository.commit({ message: "Begin", files: { "README.md": "# API\n" } });
  await github.install(acme, { repositories: [repository] });
  await github.push(repository, { files: FILES });
  const { sha, delivery } = await github.push(repository, { files: { "more.txt": "more" } });
  const waiting = await eventually("the push to be planned", async () => {
    const found = await world.api<Delivered>(`/deliveries/${delivery.guid}`).catch(() => null);
    return found === null || found.outcome === "pending" ? null : found;
  });
  expect(waiting.builds).toEqual([]);
  expect(waiting.decisions).toMatchObject([
    {
      reason: "no-namespace",
      detail: expect.stringContaining("the operator has to confirm that acme is this account's"),
    },
  ]);
  expect(world.built).toEqual([]);

  const { items } = await world.api<{ items: { id: string; namespace: string }[] }>("/claims");
  expect(items).toMatchObject([{ namespace: "acme" }]);
  const approved = await fetch(`${world.url}/api/v1/claims/${items[0]?.id}/approve`, {
    method: "POST",
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  });
  expect(approved.status).toBe(200);
  // The newest of the branch alone.
  const check = await eventually(
    "a concluded check",
    () => {
      return repository.checkRuns(sha).find(({ conclusion }) => conclusion !== null) ?? null;
    },
    60_000,
  );
  expect(check.conclusion).toBe("success");
  expect(world.built.map(({ request }) => [request.source.sha, request.image.name])).toEqual([[sha, "acme/api"]]);
}, 120_000);
