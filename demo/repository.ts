/** The repository the demo pushes to. */

export const GREETING = "Hello from a pushed file.\n";

/** `base` is an image with a shell; `image`: the name it is published under. */
export function firstPush(base: string, image: string): Record<string, string> {
  return {
    Dockerfile: `FROM ${base} AS build
COPY greeting.txt /srv/greeting.txt
RUN wc -c < /srv/greeting.txt > /srv/size.txt && cat /srv/greeting.txt

FROM build AS test
RUN grep -q Hello /srv/greeting.txt && echo "the greeting greets"

FROM build AS release
CMD ["cat", "/srv/greeting.txt"]
`,
    "greeting.txt": GREETING,
    ".wharfinger.yml": `version: 1
images:
  - name: ${image}
    target: release
    test: { target: test }
    paths: { exclude: ["docs/**"] }
    rules:
      - branch: main
        tags: [latest, "sha-{sha7}"]
      - pull_request: main
pull_requests: { forks: approve }
`,
  };
}

/** Twenty seconds of work, to be watched; `turn` makes its commit and its layers new. */
export function slowPush(base: string, turn: number): Record<string, string> {
  return {
    "turn.txt": `${turn}\n`,
    Dockerfile: `FROM ${base} AS build
COPY greeting.txt turn.txt /srv/
RUN for i in $(seq 1 20); do printf '\\033[32m✓\\033[0m greeted guest %s of 20\\n' "$i"; sleep 1; done

FROM build AS test
RUN grep -q Hello /srv/greeting.txt && echo "the greeting greets"

FROM build AS release
CMD ["cat", "/srv/greeting.txt"]
`,
  };
}

/** What a stranger proposes; `base` is an image that everybody may pull. */
export function proposal(base: string): Record<string, string> {
  return {
    Dockerfile: `FROM ${base} AS test
RUN grep -q Hello /srv/greeting.txt && echo "it still greets"

FROM test AS release
LABEL greets=politely
`,
  };
}

export const DOCS_ONLY = { "docs/manual.md": "# Manual\n\nNothing to build here.\n" };
