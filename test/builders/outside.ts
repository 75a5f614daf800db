/**
 * What lies round the machine: a second network namespace behind a pair of virtual links. To the machine its addresses
 * are a public service, a private network, a link-local one; a name server answers for names that lead there and back.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createInterface } from "node:readline";

export interface Outside {
  /** Addresses there; a web server listens on port 80 of each and the machine reaches them all. */
  readonly address: {
    readonly publicly: string;
    readonly publicly6: string;
    readonly privately: string;
    readonly privately6: string;
    readonly linkLocal: string;
  };
  /** Addresses of this machine's end of the link, where `hostPort` answers. */
  readonly host: { readonly publicly: string; readonly privately: string; readonly port: number };
  /** IPv4 address of a name server that knows `public.test`, `private.test`, `loop.test` and `host.test`. */
  readonly resolver: string;
  /** The address of every connection that reached one of the servers. */
  visits(): readonly string[];
  stop(): Promise<void>;
}

// Listens in the other namespace and prints what is asked of it.
const SERVER = `
const { createServer } = require("node:http");
const local = (socket) => socket.localAddress.replace("::ffff:", "");
const server = createServer((request, response) => response.end("reached " + local(request.socket) + "\\n"));
server.on("connection", (socket) => console.log(local(socket)));
server.listen(80, "::", () => console.log("ready"));
`;

const HOLD = `ip link set lo up && echo ready && exec cat`;

export async function createOutside(): Promise<Outside> {
  // Of this process, so that two test runs on one machine do not meet.
  const [a, b] = [(process.pid >> 8) & 127, process.pid & 255];
  const link = `wh${process.pid.toString(36)}`;
  const address = {
    publicly: `203.0.113.${b}`,
    publicly6: `2001:db8:5:${process.pid.toString(16)}::5`,
    privately: `10.${a}.${b}.2`,
    privately6: `fd77:${process.pid.toString(16)}::2`,
    linkLocal: `169.254.${b}.9`,
  };
  const here = { publicly: `198.51.100.${b}`, privately: `10.${a}.${b}.1`, public6: `2001:db8:6:${b.toString(16)}::1` };

  const holder = spawn("unshare", ["--net", "--", "sh", "-c", HOLD], { stdio: ["pipe", "pipe", "inherit"] });
  await firstLine(holder);
  const there = ["nsenter", `--net=/proc/${holder.pid}/ns/net`, "--"];
  ip(`link add ${link} type veth peer name out netns ${holder.pid}`);
  ip(`link set ${link} up`);
  for (const one of [`${here.privately}/30`, `${here.publicly}/32`]) ip(`addr add ${one} dev ${link}`);
  for (const one of [`${here.public6}/128`, `fd77:${process.pid.toString(16)}::1/64`])
    ip(`addr add ${one} dev ${link} nodad`);
  const commands = [
    "link set out up",
    `addr add ${address.privately}/30 dev out`,
    `addr add ${address.publicly}/32 dev out`,
    `addr add ${address.linkLocal}/32 dev out`,
    `-6 addr add ${address.privately6}/64 dev out nodad`,
    `-6 addr add ${address.publicly6}/128 dev out nodad`,
    `route add default via ${here.privately}`,
    `-6 route add default via fd77:${process.pid.toString(16)}::1`,
  ];
  for (const command of commands) run([...there, "ip", ...command.split(" ")]);
  for (const one of [address.publicly, address.linkLocal]) ip(`route add ${one}/32 via ${address.privately}`);
  ip(`-6 route add ${address.publicly6}/128 via ${address.privately6}`);

  const visits: string[] = [];
  const [command = "", ...args] = [...there, process.execPath, "-e", SERVER];
  const server = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  await firstLine(server, (line) => visits.push(line));
  const local = createServer((_, response) => response.end("reached the machine\n")).listen(0, "::");
  local.on("connection", (socket) => visits.push(socket.localAddress ?? ""));
  await once(local, "listening");
  const names = { "public.test": address.publicly, "private.test": address.privately };
  const resolver = await startResolver(`127.9.${a}.${b}`, {
    ...names,
    "loop.test": "127.0.0.1",
    "host.test": here.publicly,
  });

  return {
    address,
    host: { publicly: here.publicly, privately: here.privately, port: portOf(local) },
    resolver: resolver.address,
    visits: () => visits,
    async stop() {
      resolver.stop();
      local.close();
      for (const child of [server, holder]) {
        const ended = once(child, "exit");
        child.kill("SIGKILL");
        await ended;
      }
      // The link ends with the namespace, a moment later; the next test run may have this one's addresses.
      try {
        ip(`link del ${link}`);
      } catch (error) {
        if (!String(error).includes("Cannot find device")) throw error;
      }
    },
  };
}

/** Answers questions for A records on port 53. */
async function startResolver(address: string, names: Readonly<Record<string, string>>) {
  const socket = createSocket("udp4", (question, from) => {
    let end = 12;
    const labels: string[] = [];
    while ((question[end] ?? 0) > 0) {
      const length = question[end] ?? 0;
      labels.push(question.toString("latin1", end + 1, end + 1 + length));
      end += length + 1;
    }
    const found = names[labels.join(".")];
    const isA = question.readUInt16BE(end + 1) === 1;
    const answers = found !== undefined && isA;
    const head = Buffer.from(question.subarray(0, 12));
    head.writeUInt16BE(found === undefined ? 0x8183 : 0x8180, 2);
    for (const [index, count] of [1, answers ? 1 : 0, 0, 0].entries()) head.writeUInt16BE(count, 4 + index * 2);
    // Name: the question's; type A, class IN, lives 0 s, four bytes.
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...(found ?? "").split(".").map(Number)]);
    const parts = [head, question.subarray(12, end + 5), ...(answers ? [answer] : [])];
    socket.send(Buffer.concat(parts), from.port, from.address);
  });
  socket.bind(53, address);
  await once(socket, "listening");
  return { address, stop: () => socket.close() };
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

function ip(command: string): void {
  run(["ip", ...command.split(" ")]);
}

function run([command = "", ...args]: readonly string[]): void {
  execFileSync(command, args, { stdio: ["ignore", "ignore", "pipe"] });
}

/** Lines after the first go to `more`. */
async function firstLine(child: ChildProcess, more: (line: string) => void = () => undefined): Promise<void> {
  if (child.stdout === null) throw new Error("no output");
  const lines = createInterface({ input: child.stdout });
  await once(lines, "line");
  lines.on("line", more);
}
