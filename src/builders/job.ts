import { randomUUID } from "node:crypto";
import { chmod, chown, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TOOL_PATH } from "../git/environment.ts";
import type { Bind } from "./process.ts";

/** The folder of one build, removed with it. Inside the sandbox it is `/mnt/job`, the scope's folder `/mnt/scope`. */
export interface Job {
  readonly id: string;
  /** On the machine. */
  readonly folder: string;
  /** Where the commit's files are, on the machine. */
  readonly source: string;
  readonly binds: readonly Bind[];
  /** Environment of every buildah of this job. */
  readonly env: Readonly<Record<string, string>>;
  /** Arguments every buildah of this job begins with. */
  readonly buildah: readonly [string, ...string[]];
  /** What buildah found out about overlay mounts here, for the jobs after this one. */
  overlayFeatures(): Promise<OverlayFeatures>;
  /** A file buildah wrote into the job's folder, without white space at its ends. */
  read(name: string): Promise<string>;
  remove(): Promise<void>;
}

/**
 * Names of the files in which buildah's storage keeps what overlay mounts can do on this machine (`overlay-true`,
 * `metacopy()-false`). It tries that out, for a tenth of a second, whenever they are missing, as in every new job.
 */
export type OverlayFeatures = readonly string[];

/** Inside the sandbox. */
export const PLACES = {
  source: "/mnt/job/src",
  git: "/mnt/job/git",
  /** Images come from registries only: not from folders, archives, other stores or a daemon of this machine. */
  pullPolicy: "/mnt/job/pull.json",
  empty: "/mnt/job/empty",
  image: "/mnt/job/image",
  digest: "/mnt/job/digest",
} as const;

const PULL_POLICY = {
  default: [{ type: "reject" }],
  transports: { docker: { "": [{ type: "insecureAcceptAnything" }] } },
};

/** Of RUN: what package managers and daemons' set-up need, without raw sockets, device files and audit messages. */
const CAPABILITIES = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "KILL",
  "NET_BIND_SERVICE",
  "SETFCAP",
  "SETGID",
  "SETPCAP",
  "SETUID",
  "SYS_CHROOT",
];

/** A registry that builds pull from or push to. */
export interface BuildRegistry {
  /** Host and port, as image names carry it. */
  readonly name: string;
  /** Speaks http, or whatever certificate it has is taken. */
  readonly insecure: boolean;
  /** PEM of certificates that are trusted there besides the machine's own; null: none. */
  readonly ca: string | null;
  /** `host:port` of other places that builds of this namespace must reach to pull from it, such as its token service. */
  ways(namespace: string): Promise<readonly string[]>;
}

/** Opens the registry of this name, and no other. */
export interface RegistryLogin {
  readonly registry: string;
  readonly username: string;
  readonly password: string;
}

export async function createJob(options: {
  readonly jobs: string;
  /** Folder of the cache scope. */
  readonly scope: string;
  readonly owner: number;
  readonly registries: readonly Omit<BuildRegistry, "ways">[];
  /** Null: none. */
  readonly login: RegistryLogin | null;
  readonly buildah: string;
  readonly overlayFeatures: OverlayFeatures;
}): Promise<Job> {
  const id = randomUUID();
  const folder = join(options.jobs, id);
  await mkdir(folder, { recursive: true, mode: 0o711 });
  await own(folder, options.owner, 0o711);
  for (const part of ["src", "git", "home", "run", "run/overlay", "conf.d", "empty"]) {
    await mkdir(join(folder, part));
    await own(join(folder, part), options.owner, 0o700);
  }
  const { registries, login } = options;
  const auths = login === null ? {} : { [login.registry]: { auth: basic(login) } };
  const files = {
    "auth.json": JSON.stringify({ auths }),
    "registries.conf": registriesConf(registries),
    "pull.json": JSON.stringify(PULL_POLICY),
    "containers.conf": `[containers]\ndefault_capabilities = ${JSON.stringify(CAPABILITIES)}\n`,
    "storage.conf": '[storage]\ndriver = "overlay"\n',
    ...Object.fromEntries(options.overlayFeatures.map((name) => [`run/overlay/${name}`, ""])),
  };
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), text, { mode: 0o600 });
    await own(join(folder, name), options.owner, 0o600);
  }
  for (const { name, ca } of registries) if (ca !== null) await trust(folder, options.owner, name, ca);
  return {
    id,
    folder,
    source: join(folder, "src"),
    binds: [
      { folder, name: "job" },
      { folder: options.scope, name: "scope" },
    ],
    env: {
      PATH: TOOL_PATH,
      LC_ALL: "C.UTF-8",
      // Of this job: buildah looks there for the certificates of registries.
      HOME: "/mnt/job/home",
      TMPDIR: "/mnt/scope/tmp",
      XDG_RUNTIME_DIR: "/mnt/job/run",
      XDG_CONFIG_HOME: "/mnt/scope/home/config",
      XDG_CACHE_HOME: "/mnt/scope/home/cache",
      XDG_DATA_HOME: "/mnt/scope/home/data",
      CONTAINERS_CONF: "/mnt/job/containers.conf",
      CONTAINERS_STORAGE_CONF: "/mnt/job/storage.conf",
      CONTAINERS_REGISTRIES_CONF: "/mnt/job/registries.conf",
      REGISTRY_AUTH_FILE: "/mnt/job/auth.json",
      // buildah is in a user namespace already and must act like it, not make another one.
      _CONTAINERS_USERNS_CONFIGURED: "done",
      _CONTAINERS_ROOTLESS_UID: String(options.owner),
      _CONTAINERS_ROOTLESS_GID: String(options.owner),
    },
    buildah: [
      options.buildah,
      "--root=/mnt/scope/root",
      // State of mounts. Each sandbox has its own mounts, so each job has its own state; the layers are shared.
      "--runroot=/mnt/job/run",
      "--storage-driver=overlay",
      "--registries-conf-dir=/mnt/job/conf.d",
    ],
    async overlayFeatures() {
      const names = await readdir(join(folder, "run/overlay"));
      return names.filter((name) => /^[\w()-]+-(?:true|false)$/.test(name));
    },
    async read(name) {
      return (await readFile(join(folder, name), "utf8")).trim();
    },
    async remove() {
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** Short names mean Docker Hub, as in every Dockerfile's documentation; nothing of the machine's own settings applies. */
function registriesConf(registries: Parameters<typeof createJob>[0]["registries"]): string {
  const insecure = registries
    .filter((registry) => registry.insecure)
    .map(({ name }) => `[[registry]]\nlocation = ${JSON.stringify(name)}\ninsecure = true\n`);
  return `unqualified-search-registries = ["docker.io"]\nshort-name-mode = "disabled"\n${insecure.join("")}`;
}

/** By host, so that what vouches for one registry vouches for no other. */
async function trust(folder: string, owner: number, registry: string, ca: string): Promise<void> {
  let path = folder;
  for (const part of ["home", ".config", "containers", "certs.d", registry]) {
    path = join(path, part);
    await mkdir(path, { recursive: true });
    await own(path, owner, 0o700);
  }
  await writeFile(join(path, "ca.crt"), ca, { mode: 0o600 });
  await own(join(path, "ca.crt"), owner, 0o600);
}

function basic(credential: RegistryLogin): string {
  return Buffer.from(`${credential.username}:${credential.password}`).toString("base64");
}

async function own(path: string, owner: number, mode: number): Promise<void> {
  await chown(path, owner, owner);
  // mkdir's and writeFile's modes are subject to the umask.
  await chmod(path, mode);
}
