import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { readTable } from "../../../src/core/dockerhub/table.ts";
import { computedMs } from "../../support/cpu-time.ts";

function rows(text: string): readonly (readonly string[])[] {
  const read = readTable(text);
  if (!read.ok) throw new Error(read.message);
  return read.rows.map(({ cells }) => cells);
}

describe("readTable", () => {
  it("reads commas, quotes, commas and quotes and line ends inside quotes", () => {
    expect(rows('a,b\n"1,2","say ""x"""\n"one\ntwo",3\n')).toEqual([
      ["a", "b"],
      ["1,2", 'say "x"'],
      ["one\ntwo", "3"],
    ]);
  });

  it("reads tabs where the header has one, and leaves commas alone there", () => {
    expect(rows('a\tb\n1,2\t"x\ty"\n')).toEqual([
      ["a", "b"],
      ["1,2", "x\ty"],
    ]);
  });

  it.each(["\n", "\r\n", "\r"])("ends lines with %j", (end) => {
    expect(rows(`a,b${end}1,2${end}`)).toEqual([
      ["a", "b"],
      ["1", "2"],
    ]);
  });

  it("trims cells, takes quotes only at the very beginning of a cell, and skips blank rows", () => {
    expect(rows('\n  a , b\n,\n \n/x"y"/ , "q" \n"r" ,\n')).toEqual([
      ["a", "b"],
      ['/x"y"/', '"q"'],
      ["r", ""],
    ]);
  });

  it("counts lines as an editor does, also past line ends in quotes", () => {
    const read = readTable('a\n\n"x\r\ny\nz"\nlast\n');
    expect(read).toEqual({
      ok: true,
      rows: [
        { line: 1, cells: ["a"] },
        { line: 3, cells: ["x\r\ny\nz"] },
        { line: 6, cells: ["last"] },
      ],
    });
  });

  it.each(['a\n"x', 'a\nb\n"x"y,1', 'a\n"x""'])("says in which line a quoted cell is broken: %j", (text) => {
    expect(readTable(text)).toEqual({ ok: false, message: expect.stringMatching(/^line [23]: a quoted cell/) });
  });

  it("reads what a careful program wrote, whatever is in the cells", () => {
    const cell = fc.oneof(fc.string(), fc.stringMatching(/^[",\r\n\t x]{0,6}$/)).map((text) => text.trim());
    const table = fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(table, fc.constantFrom("\n", "\r\n"), (given, end) => {
        const text = [["head", "er"], ...given]
          .map((cells) => cells.map((one) => `"${one.replaceAll('"', '""')}"`).join(","))
          .join(end);
        const kept = given.filter((cells) => cells.some((one) => one !== ""));
        expect(rows(text)).toEqual([["head", "er"], ...kept]);
      }),
    );
  });

  it("never throws, and takes time linear in the text", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void readTable(text)));
    for (const piece of ['"', '""', '","', "\r", "a,", '"x"\n']) {
      const begun = process.cpuUsage();
      readTable(piece.repeat(200_000));
      expect(computedMs(begun)).toBeLessThan(2000);
    }
  });
});
