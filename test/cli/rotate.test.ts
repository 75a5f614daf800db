import { describe, expect, it } from "@jest/globals";
import type { Rotation } from "../../src/cli/rotate.ts";
import { failed, ok } from "../../src/core/model.ts";
import { run } from "./world.ts";

type Asked = Parameters<Rotation["rotate"]>[0];

function rotations(answer: Awaited<ReturnType<Rotation["rotate"]>>) {
  const asked: Asked[] = [];
  const key: Rotation = {
    name: "secret-key",
    about: "what seals",
    rotate(options) {
      asked.push(options);
      return Promise.resolve(answer);
    },
  };
  return { asked, rotations: () => [key, { ...key, name: "app-key", about: "what opens GitHub" }] };
}

describe("rotate", () => {
  it("lists what there is, and changes nothing", async () => {
    const { asked, ...parts } = rotations(ok({ done: [], todo: [] }));
    expect(await run(["rotate"], parts)).toEqual({
      code: 0,
      out: "secret-key  what seals\napp-key     what opens GitHub\n",
      err: "",
    });
    expect(asked).toEqual([]);
  });

  it("says what is done, and what is left to do in order", async () => {
    const { asked, ...parts } = rotations(ok({ done: ["It is new."], todo: ["Restart.", "Wait."] }));
    expect(await run(["rotate", "app-key", "--file", "new.pem"], parts)).toEqual({
      code: 0,
      out: "It is new.\n\nWhat is left to do:\n  1. Restart.\n  2. Wait.\n",
      err: "",
    });
    expect(await run(["rotate", "secret-key", "--finish"], parts)).toMatchObject({ code: 0 });
    expect(asked).toEqual([
      { finish: false, file: "new.pem" },
      { finish: true, file: null },
    ]);
  });

  it("answers 1 with the reason where nothing was changed", async () => {
    const { rotations: all } = rotations(failed("The registry is away.", { retryable: true }));
    expect(await run(["rotate", "secret-key"], { rotations: all })).toEqual({
      code: 1,
      out: "",
      err: "rotate: The registry is away.\n",
    });
  });

  it("answers 2 for what there is not, and names what there is", async () => {
    const { asked, ...parts } = rotations(ok({ done: [], todo: [] }));
    expect(await run(["rotate", "password"], parts)).toEqual({
      code: 2,
      out: "",
      err: 'rotate: there is no "password"; known: secret-key, app-key\n',
    });
    expect(asked).toEqual([]);
  });
});
