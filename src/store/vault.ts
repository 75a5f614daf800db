import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import type { Vault } from "../engine/ports.ts";

const VERSION = 1;
const KEY_BYTES = 32;
const KEY_ID_BYTES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = 1 + KEY_ID_BYTES;

interface Key {
  /** First bytes of the key's hash: says which key to take, and nothing about it. */
  readonly id: Buffer;
  readonly bytes: Buffer;
}

/**
 * AES-256-GCM. A sealed secret is: version (1 byte), key id (4), nonce (12, random), tag (16), ciphertext. Version, key id
 * and name are authenticated, so a secret moved to another name does not open.
 *
 * @param keys the current key first, then previous ones, which only open. Random 96-bit nonces allow some 2^32 seals
 *   for each key; this program seals a handful for each installation.
 * @param reload the keys as they are now; left out: they never change. Asked whenever something is sealed, and where what
 *   is to be opened was sealed with none of those known so far.
 */
export function createVault(keys: readonly Buffer[], reload?: () => readonly Buffer[]): Vault {
  let ring = ringOf(keys);

  function keyOf(id: Buffer): Key | undefined {
    return ring.find((candidate) => candidate.id.equals(id));
  }

  return {
    seal(name, secret) {
      if (reload !== undefined) ring = ringOf(reload());
      const [current] = ring;
      const head = Buffer.concat([Buffer.of(VERSION), current.id]);
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", current.bytes, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(bound(head, name));
      const ciphertext = Buffer.concat([cipher.update(secret, "utf8"), cipher.final()]);
      return Buffer.concat([head, nonce, cipher.getAuthTag(), ciphertext]);
    },

    open(name, sealed) {
      if (sealed.length < HEAD_BYTES + NONCE_BYTES + TAG_BYTES || sealed[0] !== VERSION) {
        throw new Error("not a sealed secret");
      }
      const head = sealed.subarray(0, HEAD_BYTES);
      let key = keyOf(head.subarray(1));
      if (key === undefined && reload !== undefined) {
        ring = ringOf(reload());
        key = keyOf(head.subarray(1));
      }
      if (key === undefined) throw new Error("sealed with another key");
      const nonce = sealed.subarray(HEAD_BYTES, HEAD_BYTES + NONCE_BYTES);
      const tag = sealed.subarray(HEAD_BYTES + NONCE_BYTES, HEAD_BYTES + NONCE_BYTES + TAG_BYTES);
      const decipher = createDecipheriv("aes-256-gcm", key.bytes, nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(bound(head, name));
      decipher.setAuthTag(tag);
      const ciphertext = sealed.subarray(HEAD_BYTES + NONCE_BYTES + TAG_BYTES);
      return Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString("utf8");
    },
  };
}

function ringOf(keys: readonly Buffer[]): readonly [Key, ...Key[]] {
  const [current, ...previous] = keys.map((bytes) => {
    if (bytes.length !== KEY_BYTES) throw new RangeError(`a key has ${KEY_BYTES} bytes, not ${bytes.length}`);
    return { id: createHash("sha256").update(bytes).digest().subarray(0, KEY_ID_BYTES), bytes };
  });
  if (current === undefined) throw new RangeError("a vault needs a key");
  return [current, ...previous];
}

/** The head has a fixed length, so no two (head, name) pairs give the same bytes. */
function bound(head: Buffer, name: string): Buffer {
  return Buffer.concat([head, Buffer.from(name, "utf8")]);
}
