/** Turns the chunks of tools into the log's text. */
export interface LogLines {
  /** Bytes of a tool's output, split anywhere. */
  chunk(bytes: Uint8Array): void;
  /** A line of our own. */
  line(text: string): void;
  /** Ends an unfinished line, when the tool has ended. */
  flush(): void;
  /** The last lines of the tools' output, oldest first; at most {@link TAIL}. */
  tail(): readonly string[];
}

const TAIL = 200;
/** Characters; a longer line is broken. */
const LONGEST_LINE = 16_384;

const ESC = "\u001b";
const COLOUR = `${ESC}\\[[0-9;]*m`;
// SGR colours are kept (first group); other CSI, OSC and two-character sequences go. Linear: no nested repetition.
const ESCAPES = new RegExp(
  `(${COLOUR})|${ESC}\\[[0-?]*[ -/]*[@-~]|${ESC}\\][^\\u0007${ESC}]*(?:\\u0007|${ESC}\\\\)?|${ESC}[@-Z\\\\^_]?`,
  "g",
);
// Control characters but tab and the escape of a kept colour; also the ones that turn text round in a browser.
const CONTROLS = new RegExp(`(?!\\t|${COLOUR})[\\p{Cc}\\u202a-\\u202e\\u2066-\\u2069]`, "gu");
const COLOURS = new RegExp(COLOUR, "g");

/**
 * @param options.write receives whole lines, each ending in a line feed
 * @param options.mask applied to every line; a secret is found although chunks cut it in two
 * @param options.longestSecret length of the longest text `mask` looks for
 * @param options.maxBytes of the whole log; what comes after is left out and a note says so
 */
export function createLogLines(options: {
  readonly write: (text: string) => void;
  readonly mask: (text: string) => string;
  readonly longestSecret: number;
  readonly maxBytes: number;
}): LogLines {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const heldBack = LONGEST_LINE + options.longestSecret;
  const last: string[] = [];
  let pending = "";
  let bytes = 0;
  let full = false;

  function emit(raw: string): void {
    // After cleaning: what an escape sequence cut apart is whole again.
    const text = masked(cleanLine(raw), options.mask);
    last.push(text);
    if (last.length > TAIL) last.shift();
    if (full) return;
    const size = Buffer.byteLength(text) + 1;
    if (bytes + size > options.maxBytes) {
      full = true;
      options.write(`[the log reached its limit of ${options.maxBytes} bytes; the rest is left out]\n`);
      return;
    }
    bytes += size;
    options.write(`${text}\n`);
  }

  return {
    chunk(chunk) {
      const parts = (pending + decoder.decode(chunk, { stream: true })).split("\n");
      pending = parts.pop() ?? "";
      for (const part of parts) emit(part);
      while (pending.length > heldBack) {
        pending = options.mask(pending);
        if (pending.length <= heldBack) break;
        // The end stays: it may be the first half of a secret.
        emit(pending.slice(0, LONGEST_LINE));
        pending = pending.slice(LONGEST_LINE);
      }
    },
    line: emit,
    flush() {
      const rest = pending + decoder.decode();
      pending = "";
      if (rest !== "") emit(rest);
    },
    tail: () => last,
  };
}

/** A line in which a colour begins amid a secret loses its colours. */
function masked(line: string, mask: (text: string) => string): string {
  const shown = mask(line);
  if (!line.includes(ESC)) return shown;
  const plain = mask(line.replace(COLOURS, ""));
  return shown.replace(COLOURS, "") === plain ? shown : plain;
}

/** One line fit for a log: of a progress bar its last state, no control characters but colours. */
export function cleanLine(line: string): string {
  const shown = line.replace(/\r+$/, "");
  return shown
    .slice(shown.lastIndexOf("\r") + 1)
    .replace(ESCAPES, "$1")
    .replace(CONTROLS, "");
}

/** Without colours, too: for sentences. */
export function plainText(line: string): string {
  return cleanLine(line).replace(COLOURS, "");
}
