/** Makes a network for a build, prints where its namespace is, and waits to be killed. */
import { createNetwork } from "../../src/builders/network.ts";

const [folder = ""] = process.argv.slice(2);
const { namespace } = await createNetwork({
  folder,
  internet: true,
  ways: [],
  resolver: null,
  tools: { slirp4netns: "slirp4netns", nft: "nft" },
  path: "/usr/sbin:/usr/bin:/sbin:/bin",
});
process.stdout.write(`${namespace}\n`);
setInterval(() => undefined, 60_000);
