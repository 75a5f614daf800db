#!/usr/bin/env node
// A builder for Wharfinger with BUILDER=webhook. It needs git and buildah, WHARFINGER_URL and BUILDER_TOKEN. It shows the
// protocol and is no sandbox: docs/http-builder.md says what a builder for people you do not trust has to add.
import { spawn } from "node:child_process";
import { verify } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const { WHARFINGER_URL: url, BUILDER_TOKEN: builderToken, REGISTRY_TLS = "true", PATH, HOME } = process.env;

async function call(name, token, body = {}) {
  const [type, sent] = Buffer.isBuffer(body) ? ["text/plain", body] : ["application/json", JSON.stringify(body)];
  const headers = { authorization: `Bearer ${token}`, "content-type": type };
  const answer = await fetch(`${url}/builder/v1/${name}`, { method: "POST", headers, body: sent });
  if (!answer.ok) throw Object.assign(new Error(`${name}: ${await answer.text()}`), { status: answer.status });
  return answer.status === 204 ? null : await answer.json();
}

/** What the installation has set: files that nobody else can read, and options that name them. */
async function layOut(variables, secrets, cwd) {
  const lines = Object.entries(variables).map(
    ([name, value]) => `export ${name}='${value.replaceAll("'", "'\\''")}'\n`,
  );
  await writeFile(join(cwd, "variables"), lines.join(""), { mode: 0o600 });
  for (const name in secrets) await writeFile(join(cwd, `secret.${name}`), secrets[name], { mode: 0o600 });
  const mounts = Object.keys(secrets).map((name) => `--secret=id=${name},src=secret.${name}`);
  return [...Object.keys(variables).map((name) => `--build-arg=${name}`), ...mounts];
}

/** Reads a request. Nothing of it counts before its signature was found good. */
async function read({ document, signature }) {
  const { items } = await (await fetch(`${url}/api/v1/keys`)).json();
  const key = items.find((one) => one.id === signature.keyId)?.publicKey;
  const good = key && verify(null, Buffer.from(document), key, Buffer.from(signature.value, "base64"));
  if (!good) throw new Error("The signature of the build request is wrong.");
  return JSON.parse(document);
}

// Values reach it as arguments and variables, never as part of its text; credentials not as arguments, which all can see.
const SCRIPT = `exec 2>&1
trap 'echo $step > step' EXIT
step=checkout
git init -q src
git -C src fetch -q --depth=1 -- "$CLONE_URL" "$SHA"
git -C src checkout -q --detach "$SHA"
unset GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0
bud() ( . ./variables; exec buildah bud "$@" )
step=test
if [ -n "$TEST" ]; then bud "$@" --target="$TEST" "src/$CONTEXT"; fi
step=build
bud "$@" --target="$TARGET" --tag="localhost/$ID" "src/$CONTEXT"
rm -f variables secret.*
step=push
if [ -n "$TO" ]; then buildah push --tls-verify="$TLS" --digestfile=digest "localhost/$ID" "docker://$TO"; fi
buildah rmi "localhost/$ID"`;

async function build({ id, source, image, inputs, trust }, token, cwd, signal) {
  if (trust !== "trusted") throw new Error("This builder is no sandbox: it does not build what strangers send.");
  if (inputs.network === "internet" || inputs.platforms.length > 0) throw new Error("This builder can not do that.");
  const { clone, registry, variables, secrets } = await call("credentials", token);
  const basic = ({ username, password }) => Buffer.from(`${username}:${password}`).toString("base64");
  const auths = registry === null ? {} : { [image.registry]: { auth: basic(registry) } };
  await writeFile(join(cwd, "auth.json"), JSON.stringify({ auths }), { mode: 0o600 });
  const header = { GIT_CONFIG_KEY_0: "http.extraHeader", GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic(clone)}` };
  const git = { CLONE_URL: source.cloneUrl, SHA: source.sha, GIT_CONFIG_COUNT: "1", ...header };
  const { repository, tag } = image.staging;
  const to = { ID: id, TO: image.push ? `${image.registry}/${repository}:${tag}` : "", TLS: REGISTRY_TLS };
  const what = { CONTEXT: inputs.context, TARGET: inputs.target ?? "", TEST: inputs.testTarget ?? "" };
  const env = { PATH, HOME, REGISTRY_AUTH_FILE: join(cwd, "auth.json"), ...git, ...to, ...what };
  const pairs = (option, values) => Object.entries(values).map(([name, value]) => `--${option}=${name}=${value}`);
  const args = [
    ...pairs("build-arg", inputs.buildArgs),
    ...(await layOut(variables, secrets, cwd)),
    ...pairs("label", inputs.labels),
    `--network=${inputs.network}`,
  ];
  args.push(`--file=${join("src", inputs.context, inputs.dockerfile)}`, `--tls-verify=${REGISTRY_TLS}`);
  const child = spawn("sh", ["-euc", SCRIPT, "sh", ...args], { cwd, env, detached: true });
  const kill = () => process.kill(-child.pid, "SIGTERM");
  signal.addEventListener("abort", kill);
  const ended = new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
  let failed = null;
  for await (const text of child.stdout) await call("log", token, text).catch((error) => (failed = error));
  const code = await ended.finally(() => signal.removeEventListener("abort", kill));
  if (failed !== null) process.stderr.write(`The log is incomplete: ${failed.message}\n`);
  const step = (await readFile(join(cwd, "step"), "utf8")).trim();
  if (code !== 0) throw Object.assign(new Error(`It failed in ${step}. The log says why.`), { step });
  return image.push ? (await readFile(join(cwd, "digest"), "utf8")).trim() : null;
}

async function work({ request: signed, lease }) {
  const request = await read(signed);
  const stop = new AbortController();
  const late = setTimeout(() => stop.abort("timeout"), request.limits.seconds * 1_000);
  const beat = setInterval(async () => {
    const told = await call("heartbeat", lease.token).catch((error) => error);
    if (told.state === "cancel" || told.status === 409) stop.abort("stopped");
  }, lease.heartbeatSeconds * 1_000);
  const folder = await mkdtemp(join(tmpdir(), "http-builder-"));
  const outcome = await build(request, lease.token, folder, stop.signal).then(
    (digest) => ({ result: "built", digest }),
    ({ message, step = "internal" }) => ({ result: "failed", class: stop.signal.reason ?? step, message }),
  );
  const told = stop.signal.reason === "stopped" ? { result: "stopped" } : outcome;
  await call("outcome", lease.token, told).finally(() => {
    clearTimeout(late);
    clearInterval(beat);
    return rm(folder, { recursive: true, force: true });
  });
}

for (;;) {
  try {
    const claimed = await call("claim", builderToken, { wait: 25 });
    if (claimed !== null) await work(claimed);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    await sleep(2_000);
  }
}
