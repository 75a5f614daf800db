import { describe, expect, it } from "@jest/globals";
import { failed, type HostId, ok, type Repository } from "../../src/core/model.ts";
import { buildOfUser, createExchange, createOutsideExchange, leaseUser } from "../../src/engine/credentials.ts";
import { installationId, repository } from "../contract/store.samples.ts";
import { buildOf } from "./fakes.ts";

const CLONE = { username: "x-access-token", password: "clone-token" };
const INSTANCE = { username: "instance", password: "instance-password" };

/** A host that notes what it was asked for. */
function hostNamed(host: string, asked: unknown[] = [], provider: "github" | "bitbucket" = "github") {
  return {
    provider,
    host,
    async cloneCredential(installation: HostId, of: Repository) {
      asked.push([host, installation, of]);
      return ok(CLONE);
    },
  };
}

const LEASE = { signIn: async () => ({ kind: "lease" }) as const };
const CREDENTIAL = { signIn: async () => ({ kind: "credential", ...INSTANCE }) as const };

describe("the exchange of a lease", () => {
  it("opens the build's own repository, and the registry under the build's name with the lease's secret", async () => {
    const asked: unknown[] = [];
    const exchange = createExchange({ hosts: [hostNamed("default", asked)], registries: LEASE });
    expect(await exchange(buildOf({ id: "b-1" }), "lease-secret")).toEqual(
      ok({ clone: CLONE, registry: { username: "build-b-1", password: "lease-secret" } }),
    );
    expect(asked).toEqual([["default", installationId("7"), repository("1")]]);
  });

  it("hands out the instance's own credentials where the registry asks for those, and no secret of a lease", async () => {
    const exchange = createExchange({ hosts: [hostNamed("default")], registries: CREDENTIAL });
    expect(await exchange(buildOf(), "lease-secret")).toEqual(ok({ clone: CLONE, registry: INSTANCE }));
  });

  it("says what to do where the registry wants a credential and has none, or is gone", async () => {
    const hosts = [hostNamed("default")];
    const missing = { signIn: async () => ({ kind: "missing" }) as const };
    const build = buildOf({ registry: "hub" });
    expect(await createExchange({ hosts, registries: missing })(build, "lease-secret")).toEqual(
      failed(
        "The registry hub wants a user name and password, and none is kept for acme. The operator gives one: " +
          "wharfinger registry credential set hub --namespace acme",
        { retryable: false },
      ),
    );
    const gone = { signIn: async () => null };
    for (const create of [createExchange, createOutsideExchange]) {
      const outcome = await create({ hosts, registries: gone })(build, "lease-secret");
      expect(outcome).toMatchObject({
        ok: false,
        message: expect.stringMatching(/^The registry hub, .* not configured/),
      });
    }
  });

  it("asks the host the repository is on, and no other", async () => {
    const asked: unknown[] = [];
    const hosts = [hostNamed("default", asked, "bitbucket"), hostNamed("ghes", asked), hostNamed("default", asked)];
    await createExchange({ hosts, registries: LEASE })(buildOf(), "lease-secret");
    expect(asked).toEqual([["default", installationId("7"), repository("1")]]);
    const others = [hostNamed("default", asked, "bitbucket"), hostNamed("ghes", asked)];
    expect(await createExchange({ hosts: others, registries: CREDENTIAL })(buildOf(), "lease-secret")).toEqual(
      failed("This instance is no longer set up for the host default.", { retryable: false }),
    );
    expect(asked).toHaveLength(1);
  });

  it("opens nothing when the host gives no access, and keeps when to try again", async () => {
    const away = {
      ...hostNamed("default"),
      cloneCredential: async () => failed("503", { retryable: true, retryAfter: 9 }),
    };
    expect(await createExchange({ hosts: [away], registries: CREDENTIAL })(buildOf(), "lease-secret")).toEqual(
      failed("The Git host gave no access to the repository: 503", { retryable: true, retryAfter: 9 }),
    );
  });
});

describe("the exchange of a lease of a build with further repositories", () => {
  const shared = { id: "2", fullName: "acme/shared", cloneUrl: "https://github.test/acme/shared.git" };
  const further = async () => ok([shared]);

  it("opens exactly these besides, and has git's own lines for them as a secret of the build", async () => {
    const asked: unknown[] = [];
    const host = {
      ...hostNamed("default"),
      async cloneCredential(_installation: HostId, _of: Repository, more: readonly object[] = []) {
        asked.push(more);
        return ok({ username: "x", password: "p@ss/word" });
      },
    };
    const exchange = createExchange({ hosts: [host], registries: LEASE, further });
    const clone = { username: "x", password: "p@ss/word" };
    expect(await exchange(buildOf(), "lease-secret")).toMatchObject({
      ok: true,
      value: {
        clone,
        furtherRepositories: [
          { fullName: "acme/shared", cloneUrl: "https://github.test/acme/shared.git", credential: clone },
        ],
        secrets: {
          "git-credentials": [
            "https://x:p%40ss%2Fword@github.test/acme/repository-1",
            "https://x:p%40ss%2Fword@github.test/acme/repository-1.git",
            "https://x:p%40ss%2Fword@github.test/acme/shared",
            "https://x:p%40ss%2Fword@github.test/acme/shared.git",
            "",
          ].join("\n"),
        },
      },
    });
    expect(asked).toEqual([[shared]]);
  });

  it("has one credential for each where the host has no single one", async () => {
    const own = { username: "x", password: "own-token" };
    const other = { username: "x", password: "other-token" };
    const host = { ...hostNamed("default"), cloneCredential: async () => ok({ ...own, further: [other] }) };
    const exchanged = await createExchange({ hosts: [host], registries: LEASE, further })(buildOf(), "lease-secret");
    expect(exchanged).toMatchObject({ value: { clone: own, furtherRepositories: [{ credential: other }] } });
    const secret = exchanged.ok ? (exchanged.value.secrets?.["git-credentials"] ?? "") : "";
    for (const line of secret.trim().split("\n")) {
      expect(line).toContain(line.includes("/shared") ? "other-token" : "own-token");
    }
    expect(exchanged.ok ? Object.keys(exchanged.value.clone ?? {}) : []).toEqual(["username", "password"]);
  });

  it("opens nothing at all where one of them is refused, and does not ask the host", async () => {
    const asked: unknown[] = [];
    const refusing = async () => failed("Builds of acme/api may not read acme/shared.", { retryable: false });
    const options = { hosts: [hostNamed("default", asked)], registries: LEASE, further: refusing };
    for (const exchange of [createExchange(options), createOutsideExchange(options)]) {
      expect(await exchange(buildOf(), "lease-secret")).toEqual(
        failed("Builds of acme/api may not read acme/shared.", { retryable: false }),
      );
    }
    expect(asked).toEqual([]);
  });

  it("gives code of strangers none of it, whatever is recorded, and does not even ask", async () => {
    const { planned } = buildOf();
    const build = buildOf({ planned: { ...planned, trust: "untrusted", push: false } });
    const asking = async () => {
      throw new Error("asked");
    };
    const exchange = createExchange({ hosts: [hostNamed("default")], registries: LEASE, further: asking });
    expect(await exchange(build, "lease-secret")).toEqual(ok({ clone: CLONE, registry: null }));
  });

  it("has no such secret without further repositories", async () => {
    const exchange = createExchange({ hosts: [hostNamed("default")], registries: LEASE, further: async () => ok([]) });
    const exchanged = await exchange(buildOf(), "lease-secret");
    expect(exchanged.ok ? Object.keys(exchanged.value).sort() : []).toEqual(["clone", "registry"]);
  });
});

describe("the exchange of a lease for a pull request", () => {
  const { planned } = buildOf();
  const pull = { number: 5, target: "main", fork: true };
  const fork = { cloneUrl: "https://example.com/stranger/api.git", ref: "refs/heads/feature", anonymous: true };
  const base = { cloneUrl: "https://example.com/acme/api.git", ref: "refs/pull/5/head", anonymous: false };

  it("from a public fork opens nothing at all, and does not ask the host", async () => {
    const build = buildOf({ planned: { ...planned, pull, checkout: fork, trust: "untrusted", push: false } });
    for (const registries of [LEASE, CREDENTIAL]) {
      const asked: unknown[] = [];
      const exchange = createExchange({ hosts: [hostNamed("default", asked)], registries });
      expect(await exchange(build, "lease-secret")).toEqual(ok({ clone: null, registry: null }));
      expect(asked).toEqual([]);
    }
  });

  it("from a fork opens the base repository to read its commit from, and no registry", async () => {
    const build = buildOf({ planned: { ...planned, pull, checkout: base, trust: "untrusted", push: false } });
    for (const registries of [LEASE, CREDENTIAL]) {
      const exchange = createExchange({ hosts: [hostNamed("default")], registries });
      expect(await exchange(build, "lease-secret")).toEqual(ok({ clone: CLONE, registry: null }));
    }
  });

  it("of a branch of the repository opens its base images, too", async () => {
    const build = buildOf({ id: "b-1", planned: { ...planned, pull: { ...pull, fork: false }, push: false } });
    const exchange = createExchange({ hosts: [hostNamed("default")], registries: LEASE });
    expect(await exchange(build, "lease-secret")).toEqual(
      ok({ clone: CLONE, registry: { username: "build-b-1", password: "lease-secret" } }),
    );
  });
});

describe("the exchange for builders outside the program", () => {
  it("gives what a build's own lease opens", async () => {
    const exchange = createOutsideExchange({ hosts: [hostNamed("default")], registries: LEASE });
    expect(await exchange(buildOf({ id: "b-1" }), "lease-secret")).toEqual(
      ok({ clone: CLONE, registry: { username: "build-b-1", password: "lease-secret" } }),
    );
  });

  it("never gives the instance's own credentials, and nothing else in their place", async () => {
    const asked: unknown[] = [];
    const exchange = createOutsideExchange({ hosts: [hostNamed("default", asked)], registries: CREDENTIAL });
    const outcome = await exchange(buildOf(), "lease-secret");
    expect(outcome).toEqual({
      ok: false,
      retryable: false,
      retryAfter: null,
      message: expect.stringMatching(
        /^The registry default is signed in to with a user name and password, which no HTTP builder is given\./,
      ),
    });
    expect(JSON.stringify(outcome)).not.toContain(INSTANCE.password);
    expect(asked).toEqual([]);
  });
});

describe("the registry's user name of a build", () => {
  it.each(["0190b2a4-7c1e-7000-8000-000000000000", "b", "9", "a".repeat(64)])("leads back to the build %s", (id) => {
    expect(buildOfUser(leaseUser(id))).toBe(id);
  });

  it.each([
    "",
    "build",
    "build-",
    "b-1",
    "rebuild-1",
    "xbuild-1",
    "Build-1",
    "build-A",
    "build-1/2",
    "build-1 ",
    "build-1\n",
    "build-1_2",
    `build-${"a".repeat(65)}`,
  ])("is not %j", (name) => {
    expect(buildOfUser(name)).toBeNull();
  });
});
