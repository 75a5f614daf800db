/** What the person at the terminal sees. */
export interface Screen {
  /** A numbered step begins. */
  step(title: string): void;
  /** One line below the step. */
  line(text: string): void;
  /** A line of a build's log. */
  log(text: string): void;
  /** Something that was expected and is so, or is not. */
  check(good: boolean, text: string): void;
  note(text: string): void;
  fail(text: string): void;
}

export function createScreen(): Screen {
  const color = process.stdout.isTTY === true && process.env["NO_COLOR"] === undefined;
  const paint = (code: number, text: string): string => (color ? `\u001b[${code}m${text}\u001b[0m` : text);
  const begun = Date.now();
  let steps = 0;
  return {
    step(title) {
      steps += 1;
      const at = ((Date.now() - begun) / 1000).toFixed(1).padStart(5);
      console.log(`\n${paint(2, `${at} s`)}  ${paint(1, `${steps}. ${title}`)}`);
    },
    line: (text) => console.log(`          ${text}`),
    log: (text) => console.log(`          ${paint(2, "│")} ${text}`),
    check: (good, text) => console.log(`          ${good ? paint(32, "✓") : paint(31, "✗")} ${text}`),
    note: (text) => console.log(`\n${text}`),
    fail: (text) => console.error(`\n${paint(31, "demo failed:")} ${text}`),
  };
}
