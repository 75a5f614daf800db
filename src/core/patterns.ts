/** A compiled exact name, glob or `/regex/`; all run on one linear-time engine. */
export interface Pattern {
  /** As written in the file. */
  readonly source: string;
  /** Null: no match. Captures by number ("1".."9") and by name. */
  match(subject: string): Readonly<Record<string, string>> | null;
}
