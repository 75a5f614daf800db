/** The Connect side of the host: apps are installed, told so, and let in by JWT. */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import type { JsonObject } from "../json.ts";
import { clientOf, seconds, signedAddress } from "./clients.ts";
import { consentAddress, consentPage } from "./consent.ts";
import type { HostInstall, HostUser, LifecycleCallback } from "./contract.ts";
import { fetchDescriptor, readDescriptor, within } from "./descriptor.ts";
import { frameAddress, framePage, frameScript } from "./frame.ts";
import { hostJwt } from "./jwt.ts";
import type { Connect } from "./operation.ts";
import { accountId, link } from "./payload-shapes.ts";
import { post } from "./post.ts";
import { type InstallState, newUuid, ownerOf, type State, workspaceOf } from "./state.ts";
import { answerTokenRequest } from "./token-endpoint.ts";

export function createConnect(state: State): Connect {
  const publicKey = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey;
  /** What the payload carries; nothing is ever signed with it. */
  const key = publicKey.export({ type: "spki", format: "der" }).toString("base64");

  function installOf({ clientKey }: HostInstall): InstallState {
    const found = state.installs.find((item) => item.clientKey === clientKey);
    if (found === undefined) throw new Error(`there is no install ${clientKey}`);
    return found;
  }

  function appSecret(appKey: string): string {
    const secret = state.appSecrets.get(appKey) ?? newSecret();
    state.appSecrets.set(appKey, secret);
    return secret;
  }

  /** `signedWith` null: no JWT, as for the first install of an app nobody registered. */
  async function call(
    install: InstallState,
    event: LifecycleCallback["event"],
    url: URL,
    signedWith: string | null,
    payload: JsonObject,
  ): Promise<number | null> {
    const { clientKey, descriptor } = install;
    const request = { method: "POST", url, base: descriptor.baseUrl };
    const requestHeaders = {
      accept: "*/*",
      "content-type": "application/json",
      "user-agent": "python-requests/2.22.0",
      ...(signedWith === null
        ? {}
        : { authorization: `JWT ${hostJwt({ clientKey, secret: signedWith }, request, seconds())}` }),
    };
    const body = JSON.stringify(payload);
    const answer = await post(url.href, requestHeaders, body, AbortSignal.timeout(state.webhookTimeoutMs));
    state.callbacks.push({
      event,
      clientKey,
      url: url.href,
      requestHeaders,
      body,
      status: answer.status,
      responseBody: answer.body,
    });
    return answer.status;
  }

  function commonPayload(install: InstallState, event: LifecycleCallback["event"]): JsonObject {
    const principal = principalShape(state, install);
    return {
      productType: "bitbucket",
      eventType: event,
      key: install.appKey,
      baseUrl: state.url,
      baseApiUrl: state.apiUrl,
      clientKey: install.clientKey,
      publicKey: key,
      principal,
      user: principal,
    };
  }

  const connect: Connect = {
    appSecret,
    async register(address) {
      const { key } = await fetchDescriptor(address);
      state.registered.set(key, address);
      return appSecret(key);
    },

    async install(where, { descriptor: given, registered = false, by }) {
      const workspace = workspaceOf(state, where);
      const descriptor = typeof given === "string" ? await fetchDescriptor(given) : readDescriptor(given);
      const known = state.installs.find(
        (item) => item.workspace === workspace && item.appKey === descriptor.key && item.registered === registered,
      );
      const secret = registered ? appSecret(descriptor.key) : newSecret();
      const install: InstallState = known ?? {
        clientKey: registered
          ? `ari:cloud:bitbucket::app/${workspace.uuid}/${descriptor.key}`
          : `connection:${state.nextId()}`,
        appKey: descriptor.key,
        workspace,
        scopes: descriptor.scopes,
        secret,
        active: false,
        descriptor,
        registered,
        precedingSecret: null,
        hookUuids: [],
      };
      if (known === undefined) state.installs.push(install);
      const signedWith = registered ? secret : install.precedingSecret;
      const commit = () => {
        const { scopes } = descriptor;
        const hookUuids = descriptor.webhooks.map(newUuid);
        Object.assign(install, { secret, precedingSecret: secret, active: true, descriptor, scopes, hookUuids });
      };
      if (state.commitBeforeCallback) commit();
      const payload = {
        ...commonPayload(install, "installed"),
        // A person's install brings no secret: only the app's own can be behind it.
        ...(workspace.kind === "user" ? {} : { sharedSecret: secret }),
        actor: actorShape(by ?? ownerOf(workspace)),
      };
      const status = await call({ ...install, descriptor }, "installed", descriptor.installed, signedWith, payload);
      if (!state.commitBeforeCallback && isSuccess(status)) commit();
      return { install, status };
    },

    async uninstall(of) {
      const install = installOf(of);
      if (!install.active) throw new Error(`${install.clientKey} is not installed`);
      install.active = false;
      for (const token of state.tokens.values()) if (token.install === install) token.expiresAt = state.now();
      const { descriptor, secret } = install;
      const payload = commonPayload(install, "uninstalled");
      return { status: await call(install, "uninstalled", descriptor.uninstalled, secret, payload) };
    },

    token: (request) => answerTokenRequest(state, request),
    clientOf: (authorization, method, path) => clientOf(state, authorization, method, path, state.apiUrl),

    landing(of, redirectUri) {
      const install = installOf(of);
      const { baseUrl, postInstallRedirect } = install.descriptor;
      if (redirectUri !== undefined && !redirectUri.startsWith(baseUrl)) {
        throw new Error("a redirect_uri must begin with the app's baseUrl");
      }
      const address = redirectUri ?? filled(install, postInstallRedirect);
      if (address === null) throw new Error("the descriptor has no postInstallRedirect");
      const url = within(baseUrl, address);
      url.searchParams.set("client_key", install.clientKey);
      // The documented parameters of this module: where it was installed.
      url.searchParams.set("user_uuid", install.workspace.uuid);
      return signedAddress(install, url);
    },
    jwt(of, method, url) {
      const install = installOf(of);
      return hostJwt(install, { method, url: new URL(url), base: install.descriptor.baseUrl }, seconds());
    },
    framePage: (of, module, context) => frameAddress(state, installOf(of), module, context),
    consentPage: (input) => consentAddress(state, input),
    page: async (request) =>
      frameScript(request) ?? framePage(state, request) ?? (await consentPage(state, connect, request)),
  };
  return connect;
}

/** A redirect's placeholders say where the app was installed. */
function filled({ workspace }: InstallState, address: string | null): string | null {
  if (address === null) return null;
  return address
    .replaceAll("{user_username}", encodeURIComponent(workspace.slug))
    .replaceAll("{user_uuid}", encodeURIComponent(workspace.uuid))
    .replaceAll("{user_type}", workspace.kind);
}

function newSecret(): string {
  return randomBytes(32).toString("base64url");
}

function isSuccess(status: number | null): boolean {
  return status !== null && status >= 200 && status < 300;
}

/** Who clicked. Here, and nowhere else, the uuid has no braces. */
function actorShape(user: HostUser): JsonObject {
  return { type: "user", uuid: user.uuid.slice(1, -1), account_id: user.accountId };
}

/** Whose install it is. */
function principalShape(state: State, { workspace }: InstallState): JsonObject {
  const team = workspace.kind === "team";
  const uuid = encodeURIComponent(workspace.uuid);
  return {
    type: workspace.kind,
    ...(team
      ? { username: workspace.slug, properties: {}, has_2fa_enabled: null }
      : { account_id: accountId(workspace), department: null, is_staff: false, zoneinfo: null }),
    display_name: workspace.name,
    uuid: workspace.uuid,
    links: {
      self: link(`${state.apiUrl}/2.0/${team ? "teams" : "users"}/${uuid}`),
      html: link(`${state.url}/${uuid}/`),
      avatar: link(`${state.url}/account/${uuid}/avatar/`),
    },
    created_on: workspace.createdOn,
    is_active: true,
  };
}
