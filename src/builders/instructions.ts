/** One instruction of a Dockerfile, its continuation lines joined as buildah's `STEP` shows them. */
export interface Instruction {
  /** Of its first line, 1-based. */
  readonly line: number;
  readonly text: string;
}

/**
 * The instructions of a Dockerfile: enough of its syntax to find a line again, not to judge it. Comments and empty
 * lines are left out, also between continuation lines.
 */
export function parseInstructions(dockerfile: string): readonly Instruction[] {
  const all: Instruction[] = [];
  let open: { line: number; parts: string[] } | null = null;
  for (const [index, raw] of dockerfile.split("\n").entries()) {
    const text = raw.trim();
    if (text === "" || text.startsWith("#")) continue;
    const continues = text.endsWith("\\");
    open ??= { line: index + 1, parts: [] };
    open.parts.push(continues ? text.slice(0, -1) : text);
    if (continues) continue;
    all.push({ line: open.line, text: squeeze(open.parts.join(" ")) });
    open = null;
  }
  if (open !== null) all.push({ line: open.line, text: squeeze(open.parts.join(" ")) });
  return all;
}

/** Where the instruction is; null when it is not there exactly once. */
export function lineOfInstruction(all: readonly Instruction[], text: string): number | null {
  return onlyLine(all.filter((one) => one.text === squeeze(text)));
}

/** Where the file takes an image from the outside that `words` speak of; null when that is not exactly one place. */
export function lineOfSource(all: readonly Instruction[], words: string): number | null {
  const sources = all.filter((one) => /^FROM /i.test(one.text) || one.text.includes("from="));
  return (
    onlyLine(sources) ??
    onlyLine(sources.filter((one) => one.text.split(/[ =,]/).some((word) => word.length > 4 && words.includes(word))))
  );
}

/** Names given by `FROM … AS name`. */
export function stageNames(all: readonly Instruction[]): readonly string[] {
  return all.flatMap((one) => {
    const words = one.text.split(" ");
    const isNamed = words[0]?.toUpperCase() === "FROM" && words.at(-2)?.toUpperCase() === "AS";
    return isNamed ? words.slice(-1) : [];
  });
}

function onlyLine(found: readonly Instruction[]): number | null {
  return found.length === 1 ? (found[0]?.line ?? null) : null;
}

/** Every run of white space becomes one space. */
export function squeeze(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}
