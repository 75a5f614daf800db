/** Where submodules of a hostile repository get, with real git in the real networks of builds. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import {
  type BuilderWorld,
  buildFiles,
  createBuilderWorld,
  failureOf,
  type Ran,
} from "../contract/builder.contract.ts";
import { createOutside, type Outside } from "./outside.ts";
import { createTestBuilder } from "./world.ts";

let outside: Outside;
let world: BuilderWorld;

beforeAll(async () => {
  outside = await createOutside();
  world = await createBuilderWorld((registry) => createTestBuilder(registry, { resolver: outside.resolver }));
});
afterAll(() => world?.stop());
afterAll(() => outside?.stop());

async function build(network: "internet" | "none", url: string): Promise<Ran> {
  const files = {
    Dockerfile: "FROM scratch\nCOPY . /\n",
    ".gitmodules": `[submodule "lib"]\n\tpath = lib\n\turl = ${url}\n`,
    lib: { submodule: "1".repeat(40) },
  };
  const inputs = { network, cacheScope: `submodules-${network}`, cache: false };
  return await buildFiles(world, files, { inputs, image: { push: false } });
}

describe("a submodule on another host", () => {
  it("is asked for from the build's network: a public one is reached", async () => {
    const before = outside.visits().length;
    const ran = await build("internet", "https://public.test:80/lib.git");
    // It speaks no https, so that is all: git came there.
    expect(failureOf(ran)).toMatchObject({ class: "checkout" });
    expect(outside.visits().slice(before)).toContain(outside.address.publicly);
  });

  it("is nothing of this machine's, nor of the networks it is in, by whatever name", async () => {
    const { address, host } = outside;
    const places = [
      ...["127.0.0.1", "[::1]", host.publicly, host.privately, "loop.test", "host.test"].map(
        (one) => `${one}:${host.port}`,
      ),
      ...[address.privately, `[${address.privately6}]`, address.linkLocal, "private.test"].map((one) => `${one}:80`),
    ];
    const before = outside.visits().length;
    for (const place of places) {
      const failure = failureOf(await build("internet", `https://${place}/lib.git`));
      expect({ place, ...failure }).toMatchObject({ place, class: "checkout" });
    }
    expect(outside.visits().slice(before)).toEqual([]);
  }, 120_000);

  it("is nothing at all where builds have no network", async () => {
    const before = outside.visits().length;
    const failure = failureOf(await build("none", "https://public.test:80/lib.git"));
    expect(failure.message).toContain("builds have no network here");
    expect(outside.visits().slice(before)).toEqual([]);
  });

  it("can not be made one of the Git host's by another spelling of the protocol", async () => {
    const before = outside.visits().length;
    const { privately } = outside.address;
    for (const url of [`http://${privately}/lib.git`, `git://${privately}/lib.git`, `ext::nc ${privately} 80`]) {
      expect(failureOf(await build("internet", url))).toMatchObject({ class: "checkout" });
    }
    expect(outside.visits().slice(before)).toEqual([]);
  });
});
