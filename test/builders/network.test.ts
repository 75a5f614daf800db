/** What builds reach, from everywhere they can try: RUN, ADD, FROM. Every place that is closed is one the machine reaches. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import {
  type BuilderWorld,
  buildFiles,
  createBuilderWorld,
  digestOf,
  failureOf,
  type Ran,
} from "../contract/builder.contract.ts";
import { startChild } from "../support/child.ts";
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

type Kind = "internet" | "none";

/** One scope for all: they share the base image, and nothing else. */
async function build(network: Kind, dockerfile: string, scope = "network"): Promise<Ran> {
  const inputs = { network, cacheScope: `${scope}-${network}`, cache: false };
  return await buildFiles(world, { Dockerfile: dockerfile }, { inputs, image: { push: false } });
}

/** `host:port` of what no build may reach, IPv6 in brackets. */
function closedPlaces(): readonly string[] {
  const { address, host } = outside;
  const own = Object.values(networkInterfaces())
    .flatMap((one) => one ?? [])
    .filter(({ scopeid, internal }) => !scopeid && !internal)
    .map(({ family, address: text }) => (family === "IPv6" ? `[${text}]` : text));
  const machine = ["127.0.0.1", "[::1]", host.publicly, host.privately, ...own];
  return [
    ...new Set(machine.map((one) => `${one}:${host.port}`)),
    `${address.privately}:80`,
    `[::ffff:${address.privately}]:80`,
    `[${address.privately6}]:80`,
    `${address.linkLocal}:80`,
  ];
}

/** What slirp4netns itself answers for; the machine knows no such addresses. */
function insidePlaces(): readonly string[] {
  const { port } = outside.host;
  return [`198.18.77.2:${port}`, "198.18.77.2:22", "10.0.2.2:80", `[fd00::2]:${port}`, "169.254.169.254:80"];
}

/** A RUN that prints `<place> reached` or `<place> closed` for each. */
function attempts(places: readonly string[]): string {
  const lines = places.map((place) => {
    const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(place) ?? [];
    const get = `printf 'GET /from-run HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${host} ${port} | grep -q reached`;
    return `if ${get}; then echo '${place} reached'; else echo '${place} closed'; fi`;
  });
  return `FROM ${world.base}\nRUN ${lines.join("; \\\n    ")}\n`;
}

function reachedIn(ran: Ran): readonly string[] {
  digestOf(ran);
  return [...ran.log.matchAll(/^(\S+) reached$/gm)].map(([, place]) => place ?? "");
}

describe("the machine, without a sandbox", () => {
  it("reaches all the places these tests are about", async () => {
    const { publicly, publicly6 } = outside.address;
    for (const place of [...closedPlaces(), `${publicly}:80`, `[${publicly6}]:80`]) {
      expect(await (await fetch(`http://${place}/control`)).text()).toContain("reached");
    }
  });
});

describe("a build with the network `internet`", () => {
  it("reaches public addresses from RUN, IPv4 and IPv6, and nothing of the machine or near it", async () => {
    const open = [`${outside.address.publicly}:80`, `[${outside.address.publicly6}]:80`];
    const ran = await build("internet", attempts([...open, ...closedPlaces(), ...insidePlaces()]));
    expect(reachedIn(ran)).toEqual(open);
    expect(ran.log.match(/ closed$/gm)?.length).toBe(closedPlaces().length + insidePlaces().length);
  });

  it("fetches from public addresses and names with ADD, and nothing else", async () => {
    const { publicly, privately, privately6, linkLocal } = outside.address;
    for (const place of [publicly, "public.test"]) {
      const ran = await build("internet", `FROM ${world.base}\nADD http://${place}/add /a\nRUN cat /a\n`);
      digestOf(ran);
      expect(ran.log).toContain(`reached ${publicly}`);
    }
    const { port, publicly: own } = outside.host;
    const local = ["127.0.0.1", "[::1]", own, "loop.test", "host.test"].map((one) => `${one}:${port}`);
    const near = [privately, `[${privately6}]`, linkLocal, "private.test"];
    await expectAllClosed("internet", [...local, ...near], (place) => `ADD http://${place}/add /a\n`);
  });

  it("asks only public registries for FROM, and its own wherever that is", async () => {
    const { publicly, privately } = outside.address;
    const before = outside.visits().length;
    const asked = await build("internet", `FROM ${publicly}:80/some/image:1\n`);
    // It speaks no https, so that is all: the build came there.
    expect(failureOf(asked).class).toBe("dockerfile");
    expect(outside.visits().slice(before)).toContain(publicly);
    // buildah asks three times, two seconds apart.
    const places = [`127.0.0.1:${outside.host.port}`, `${privately}:80`, "private.test:80"];
    await expectAllClosed("internet", places, null);
  });

  it("can not open the way again: no raw sockets, no other device, no change of rules or routes", async () => {
    const { privately } = outside.address;
    const ran = await build(
      "internet",
      `FROM ${world.base}\nRUN ip route add ${privately}/32 dev tap0; ip link set tap0 down; ip addr add ${privately}/24 dev lo; \\
    ping -c 1 -W 1 ${privately}; printf x | nc -u -w 1 ${privately} 80; \\
    unshare -n true && echo unshared; echo 1 > /proc/sys/net/ipv4/ip_forward && echo written; \\
    echo asked; if printf 'GET /again HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${privately} 80 | grep reached; then exit 9; fi\n`,
    );
    digestOf(ran);
    expect(ran.log).toContain("asked");
    expect(ran.log).not.toMatch(/^(?:unshared|written)$/m);
    expect(ran.log.match(/Operation not permitted/g)?.length).toBeGreaterThanOrEqual(3);
  });

  it("is kept apart from one beside it", async () => {
    const serve = `FROM ${world.base}\nRUN (echo neighbour | nc -l -p 8077) & sleep 1.5; echo served\n`;
    const places = ["127.0.0.1:8077", "198.18.77.100:8077"].map((one) => {
      const [host, port] = one.split(":");
      return `nc -w 1 ${host} ${port} </dev/null | grep neighbour && exit 9`;
    });
    const ask = `FROM ${world.base}\nRUN sleep 0.7; ${places.join("; ")}; echo alone\n`;
    const [one, other] = await Promise.all([build("internet", serve, "one"), build("internet", ask, "other")]);
    digestOf(one);
    expect(one.log).toMatch(/^served$/m);
    digestOf(other);
    expect(other.log).toMatch(/^alone$/m);
  });

  it("may listen where it likes, as root of a container does", async () => {
    const ran = await build(
      "internet",
      `FROM ${world.base}\nRUN (echo mine | nc -l -p 80) & sleep 0.5; nc -w 1 127.0.0.1 80 </dev/null | grep mine\n`,
    );
    digestOf(ran);
    expect(ran.log).toMatch(/^mine$/m);
  });
});

describe("a build with the network `none`", () => {
  it("reaches nothing from RUN, not even its registry", async () => {
    const { publicly, publicly6 } = outside.address;
    const open = [`${publicly}:80`, `[${publicly6}]:80`];
    const ran = await build("none", attempts([...open, ...closedPlaces(), ...insidePlaces(), world.registry.name]));
    expect(reachedIn(ran)).toEqual([]);
  });

  it("reaches nothing with ADD and FROM but its registry", async () => {
    const { address, host } = outside;
    const places = [`${address.publicly}:80`, "public.test:80", `127.0.0.1:${host.port}`];
    await expectAllClosed("none", places, (place) => `ADD http://${place}/add /a\n`);
    await expectAllClosed("none", [`${address.publicly}:80`], null);
    const own = await build("none", `FROM ${world.base}\nADD http://${world.registry.name}/v2/ /a\n`);
    // Without a credential it answers 401, and that is all.
    expect(failureOf(own).message).toMatch(/401|unauthorized/i);
  });
});

describe("a build's network", () => {
  it("is gone when the program is killed, with the processes that made it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "wharfinger-network-"));
    const child = await startChild(new URL("./network-child.ts", import.meta.url), [join(folder, "files")]);
    const namespace = child.firstLine;
    const inode = readlinkSync(namespace);
    const left = () => processes().filter(({ net, words }) => net === inode || words.includes(namespace));
    expect(left().length).toBeGreaterThanOrEqual(2);
    await child.kill();
    const deadline = Date.now() + 5000;
    while (left().length > 0 && Date.now() < deadline) await sleep(20);
    expect(left()).toEqual([]);
    expect(readFileSync("/proc/mounts", "utf8")).not.toContain(inode);
    await rm(folder, { recursive: true });
  });
});

function processes(): readonly { readonly net: string; readonly words: readonly string[] }[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      return [{ net: readlinkSync(`/proc/${pid}/ns/net`), words }];
    } catch {
      return []; // It has ended meanwhile.
    }
  });
}

/** Each place fails the build, says why, and is not visited. `instruction` null: FROM it. */
async function expectAllClosed(
  network: Kind,
  places: readonly string[],
  instruction: ((place: string) => string) | null,
): Promise<void> {
  const before = outside.visits().length;
  const left = [...places];
  async function work(): Promise<void> {
    for (let place = left.pop(); place !== undefined; place = left.pop()) {
      const dockerfile = instruction === null ? `FROM ${place}/some/image:1\n` : `FROM scratch\n${instruction(place)}`;
      const failure = failureOf(await build(network, dockerfile));
      expect({ place, class: failure.class }).toEqual({ place, class: "dockerfile" });
      expect({ place, message: failure.message }).toEqual({
        place,
        message: expect.stringMatching(network === "none" ? /no network/ : /internet only/),
      });
    }
  }
  await Promise.all([work(), work(), work()]);
  expect(outside.visits().slice(before)).toEqual([]);
}
