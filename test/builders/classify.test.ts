import { describe, expect, it } from "@jest/globals";
import { type BadEnd, classify } from "../../src/builders/classify.ts";
import { computedMs } from "../support/cpu-time.ts";

const DOCKERFILE = `# syntax
FROM docker.io/library/alpine:3 AS base
RUN apk add \\
    # the compiler
    gcc
COPY . /src
RUN make
FROM base
RUN make
`;

function end(tail: string, more: Partial<BadEnd> = {}): BadEnd {
  return {
    part: "build",
    code: 125,
    tail: tail.split("\n"),
    dockerfile: { name: "Dockerfile", text: DOCKERFILE },
    oomKills: 0,
    memoryBytes: 1024 ** 3,
    network: "host",
    registry: "registry.example.com",
    target: null,
    ...more,
  };
}

describe("classify", () => {
  it("finds the line of an instruction that goes over several", () => {
    const tail = `STEP 2/4: RUN apk add     gcc\nError: building at STEP "RUN apk add     gcc": while running runtime: exit status 1`;
    expect(classify(end(tail)).failure).toMatchObject({ class: "build", line: 3 });
  });

  it("names no line when the instruction is there twice", () => {
    const tail = `[1/2] STEP 4/4: RUN make\nError: building at STEP "RUN make": while running runtime: exit status 2`;
    const { failure, retryable } = classify(end(tail));
    expect(failure).toEqual({ class: "build", message: expect.stringContaining("exit code 2") });
    expect(retryable).toBe(false);
  });

  it("says what builds reach when one wanted more", () => {
    const add = `STEP 2/4: ADD http://10.0.0.1/ /a\nError: building at STEP "ADD http://10.0.0.1/ /a": reading "http://10.0.0.1/": Get "http://10.0.0.1/": dial tcp 10.0.0.1:80: connect: no route to host`;
    const from = `Error: creating build container: initializing source docker://10.0.0.1/a:1: pinging container registry 10.0.0.1: Get "http://10.0.0.1/v2/": dial tcp 10.0.0.1:80: connect: no route to host`;
    for (const tail of [add, from]) {
      expect(classify(end(tail, { network: "none" })).failure.message).toContain("Builds have no network here");
      expect(classify(end(tail, { network: "internet" })).failure.message).toContain("public internet only");
      expect(classify(end(tail)).failure).toMatchObject({
        class: "dockerfile",
        message: expect.stringMatching(/could not be reached(?: from the builder)?\.$/),
      });
    }
  });

  it("is not deceived by what a command prints", () => {
    const tail = `STEP 3/4: COPY . /src
Error: creating build container: pinging container registry x: dial tcp: connection refused
panic: no
Error: building at STEP "RUN make": while running runtime: exit status 7`;
    expect(classify(end(tail))).toMatchObject({ failure: { class: "build" }, retryable: false });
  });

  it("tries again what the outside broke, and only that", () => {
    const source = "Error: creating build container: initializing source docker://alpine:3: ";
    const cases: [text: string, more: Partial<BadEnd>, failureClass: string, retryable: boolean][] = [
      [`${source}reading manifest 3 in docker.io/library/alpine: manifest unknown`, {}, "dockerfile", false],
      [
        `${source}reading manifest 3 in docker.io/library/alpine: received unexpected HTTP status: 503 Service Unavailable`,
        {},
        "internal",
        true,
      ],
      [
        `${source}pinging container registry registry-1.docker.io: Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host`,
        {},
        "dockerfile",
        true,
      ],
      [
        `${source}reading manifest 3 in docker.io/library/alpine: requested access to the resource is denied`,
        {},
        "dockerfile",
        false,
      ],
      [
        "Error: creating build container: Source image rejected: Running image containers-storage:x is rejected by policy.",
        {},
        "dockerfile",
        false,
      ],
      [
        "Error: trying to reuse blob sha256:1 at destination: denied: requested access to the resource is denied",
        { part: "push" },
        "push",
        false,
      ],
      [
        "Error: pinging container registry registry.example.com: dial tcp 192.0.2.1:443: connect: connection refused",
        { part: "push" },
        "push",
        true,
      ],
      [
        "Error: writing blob: received unexpected HTTP status: 500 Internal Server Error",
        { part: "push" },
        "push",
        true,
      ],
      ["Error: committing: write /mnt/scope/root/x: no space left on device", {}, "internal", true],
      ["something without a reason", { code: null }, "internal", false],
    ];
    for (const [text, more, failureClass, retryable] of cases) {
      const found = classify(end(text, more));
      expect({ text, class: found.failure.class, retryable: found.retryable }).toEqual({
        text,
        class: failureClass,
        retryable,
      });
    }
  });

  it("knows an instruction without arguments, whatever buildah makes of it", () => {
    const dockerfile = { name: "Dockerfile", text: "FROM scratch\nRUN\n" };
    const crashed = classify(end("STEP 2/2: RUN\npanic: runtime error: index out of range", { code: 2, dockerfile }));
    const ran = classify(
      end('STEP 2/2: RUN\nError: building at STEP "RUN ": while running runtime: exit status 2', { dockerfile }),
    );
    for (const { failure } of [crashed, ran]) expect(failure).toMatchObject({ class: "dockerfile", line: 2 });
  });

  it("finds lines and stages whatever a Dockerfile looks like, in linear time", () => {
    const error = 'Error: The target "x" was not found in the provided Dockerfile';
    const named = classify(
      end(error, { dockerfile: { name: "D", text: "from a  as  one\r\n\tFROM b AS two \nFROM c\n" } }),
    );
    expect(named.failure.message).toContain("It has `one`, `two`.");
    const begun = process.cpuUsage();
    for (const text of [`FROM x${" ".repeat(1_000_000)}y`, "\\\n".repeat(300_000), "FROM a as ".repeat(100_000)]) {
      classify(end(error, { dockerfile: { name: "D", text } }));
      classify(end('Error: building at STEP "'.repeat(40_000), { dockerfile: { name: "D", text } }));
    }
    expect(computedMs(begun)).toBeLessThan(5000);
  });

  it("puts memory before everything else", () => {
    const tail = `STEP 3/4: COPY . /src\nError: building at STEP "RUN make": while running runtime: exit status 137`;
    expect(classify(end(tail, { oomKills: 1, part: "test" })).failure.class).toBe("out-of-memory");
  });

  it("makes one bounded line without the builder's folders of whatever buildah says", () => {
    const tail = `STEP 3/4: COPY . /src\nError: building at STEP "COPY . /src": \u001b[31mreading "/mnt/job/src/x": ${"bad ".repeat(1000)}`;
    const { message } = classify(end(tail)).failure;
    expect(message.length).toBeLessThanOrEqual(500);
    expect(message).not.toMatch(/\/mnt|\p{Cc}/u);
  });
});
