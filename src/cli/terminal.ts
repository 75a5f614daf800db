/** What a command sees of the terminal it runs in; a test passes its own. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** All of standard input. */
  stdin(): Promise<string>;
  /** Rejects with Node's error (`ENOENT` …) when the file can not be read. */
  readFile(path: string): Promise<string>;
  /** False when piped, or when NO_COLOR is set. */
  readonly color: boolean;
}

/** Every command answers its exit code. */
export type ExitCode = 0 | 1 | 2 | 78;
