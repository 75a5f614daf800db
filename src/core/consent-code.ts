/** One-time codes as people read them out, copy and type them. */

/** Crockford's base 32: no letter that is taken for a digit, and no U. */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const BYTES = 13;
const CHARACTERS = 20;
const GROUP = 5;

/** How many random bytes {@link consentCode} wants; it uses 100 bits of them. */
export const CODE_BYTES = BYTES;

/** `7KQ2M-XD4RA-01ZYT-HB9PC`. */
export function consentCode(random: Uint8Array): string {
  if (random.length < BYTES) throw new RangeError(`a code is made of ${BYTES} random bytes`);
  const bits = [...random].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const letters = Array.from({ length: CHARACTERS }, (_, index) => {
    return ALPHABET[Number.parseInt(bits.slice(index * GROUP, (index + 1) * GROUP), 2)] ?? "";
  });
  return (letters.join("").match(/.{5}/g) ?? []).join("-");
}

/** In the one form whose hash is kept, whatever was typed between the groups; null: it can be no code. */
export function parseConsentCode(typed: string): string | null {
  const letters = typed.toUpperCase().replace(/[\s-]/g, "").replaceAll("O", "0").replace(/[IL]/g, "1");
  return letters.length === CHARACTERS && [...letters].every((letter) => ALPHABET.includes(letter)) ? letters : null;
}
