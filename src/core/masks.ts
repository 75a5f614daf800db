/** What stands where a secret was. */
export const MASK = "***";

export interface Masks {
  mask(text: string): string;
  /** Length of the longest text that is looked for. */
  readonly longest: number;
}

/**
 * Hides passwords in text, in the forms tools print them: as they are, URL-encoded, and base64 alone or as the
 * `user:password` of Basic authentication. A net under the real rule, which is that no tool is given a secret where it
 * could print it.
 */
export function createMasks(secrets: readonly { readonly username: string; readonly password: string }[]): Masks {
  const forms = new Set<string>();
  for (const { username, password } of secrets) {
    // Shorter ones would blacken ordinary words.
    if (password.length < 4) continue;
    forms.add(password);
    forms.add(encodeURIComponent(password));
    for (const text of [password, `${username}:${password}`]) {
      const base64 = Buffer.from(text).toString("base64");
      forms.add(base64);
      forms.add(base64.replace(/=+$/, ""));
      forms.add(Buffer.from(text).toString("base64url"));
    }
  }
  // Longest first: a form that contains another must not leave its ends behind.
  const ordered = [...forms].sort((a, b) => b.length - a.length);
  return {
    mask: (text) => ordered.reduce((masked, form) => masked.replaceAll(form, MASK), text),
    longest: ordered[0]?.length ?? 0,
  };
}
