import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { readHubRules } from "../../../src/core/dockerhub/read.ts";

const HEADER = "Source Type,Source,Docker Tag,Dockerfile location,Build Context,Autobuild,Build Caching";

function read(text: string) {
  const result = readHubRules(text);
  if (!result.ok) throw new Error(result.message);
  return result;
}

const rule = {
  place: "line 2",
  image: null,
  kind: "branch",
  source: "main",
  tags: ["latest"],
  dockerfile: "",
  context: "",
  autobuild: true,
  caching: true,
};

describe("a table of build rules", () => {
  it("is read by the page's names, in any order and spelling, with defaults for what is blank", () => {
    expect(read(`${HEADER}\nBranch,main,latest,,,,\n`).rules).toEqual([rule]);
    expect(read("docker_tag\tSOURCE TYPE\tsource\n latest \tbranch\t main \n").rules).toEqual([rule]);
    expect(read("Type,Name,Docker Tag Name\nBranch,main,latest\n").rules).toEqual([rule]);
    expect(read(`\ufeff${HEADER}\r\nBranch,main,latest\r\n`).rules).toEqual([rule]);
  });

  it("takes the tag apart at its commas", () => {
    expect(read('type,source,tag\ntag,v1,"1, 1.0 ,,latest"\n').rules).toMatchObject([
      { kind: "tag", tags: ["1", "1.0", "latest"] },
    ]);
  });

  it.each([
    ["on", true],
    ["TRUE", true],
    ["Enabled", true],
    ["1", true],
    ["", true],
    ["off", false],
    ["no", false],
    ["0", false],
  ])("reads the toggle %j as %s", (text, on) => {
    expect(read(`${HEADER}\nBranch,main,latest,,,${text},${text}\n`).rules).toMatchObject([
      { autobuild: on, caching: on },
    ]);
  });

  it("keeps the rules of several repositories apart", () => {
    const { rules } = read("Repository,Source Type,Source,Docker Tag\nacme/api,Branch,main,latest\n,Branch,x,y\n");
    expect(rules.map(({ image }) => image)).toEqual(["acme/api", null]);
  });

  it.each([
    ["Commit,main,latest", "Source Type is `Commit`, not Branch or Tag"],
    [",main,latest", "Source Type is blank; write Branch or Tag"],
    ["Branch,,latest", "Source is blank; Docker Hub does not save such a rule"],
    ['Branch,main,","', "Docker Tag is blank; Docker Hub does not save such a rule"],
    ["Branch,main,latest,/,/,perhaps", "Autobuild is `perhaps`; write on or off"],
    [
      "Branch,main,1.0,latest,/,/,on,on",
      expect.stringContaining("it has 8 cells and the header 7; a cell with a comma"),
    ],
  ])("leaves out %j and says in which line", (line, message) => {
    const result = read(`${HEADER}\n${line}\nBranch,main,latest\n`);
    expect(result.findings).toEqual([{ kind: "lost", place: "line 2", message }]);
    expect(result.rules).toEqual([{ ...rule, place: "line 3" }]);
  });

  it("says of a column it does not know that it was not looked at, if there is something in it", () => {
    const table = (cell: string) => `type,source,tag,Colour\nbranch,main,latest,${cell}\n`;
    expect(read(table("")).findings).toEqual([]);
    expect(read(table("red")).findings).toEqual([
      { kind: "note", place: null, message: "the column `Colour` is not known and was not looked at" },
    ]);
  });

  it("says once what is set for a repository and has no place in the file", () => {
    const { findings } = read(
      "type,source,tag,autotest,repository links,build environment variables\n" +
        "branch,main,latest,Internal and external pull requests,on,TOKEN=geheim\n" +
        "branch,dev,dev,Internal and external pull requests,off,\n",
    );
    expect(findings.map(({ kind, place }) => [kind, place])).toEqual(Array(3).fill(["lost", "line 2"]));
    const text = findings.map(({ message }) => message).join("\n");
    expect(text).toMatch(/test: \{ target: test \}.*pull_request: BRANCH.*forks: test/);
    expect(text).toMatch(/Repository Links.*\n.*build_args/);
    expect(text).not.toContain("geheim");
  });

  it.each([
    ["", "there are no rules: the text is empty"],
    [" \n\t\n", "there are no rules: the text is empty"],
    [`${HEADER}\n`, "there are no rules behind the header row"],
    [
      "Branch,main,latest\n",
      "line 1 is no header row with the columns that are needed; missing: `Source Type`, `Source`, `Docker Tag`",
    ],
    ["Source Type,Source\nBranch,main\n", expect.stringMatching(/missing: `Docker Tag`$/)],
    [
      "Source Type;Source;Docker Tag\nBranch;main;x\n",
      expect.stringMatching(/; cells are separated by commas or tabs$/),
    ],
    ["type,source,tag,Docker Tag\nbranch,main,a,b\n", "line 1: two columns mean the same (tags)"],
    ['type,source,tag\nbranch,"main,latest\n', expect.stringContaining("line 2: a quoted cell")],
    ["\ufffd\ufffdt\0y\0p\0e\0", "the rules are not UTF-8 text; save them as UTF-8"],
    ["x".repeat(1024 * 1024 + 1), "the rules are larger than 1 MiB"],
    [`type,source,tag\n${"branch,main,latest\n".repeat(1001)}`, "these are 1001 rules; import at most 1000 at once"],
    [
      "type,source,tag,source repository\nbranch,main,a,acme/x\nbranch,main,b,acme/y\n",
      expect.stringContaining("2 source repositories (acme/x, acme/y)"),
    ],
  ])("refuses %.40j in one line", (text, message) => {
    expect(readHubRules(text)).toEqual({ ok: false, message });
  });
});

/** As Docker Hub's API answers; found in public scripts that read it. */
const SOURCE = {
  autotests: "OFF",
  build_in_farm: true,
  build_settings: ["/api/build/v1/setting/1/", "/api/build/v1/setting/2/"],
  channel: "Stable",
  deploykey: "",
  envvars: [],
  image: "acme/api",
  owner: "acme",
  provider: "Github",
  repo_links: false,
  repository: "api",
  resource_uri: "/api/build/v1/source/9/",
  state: "Success",
  uuid: "9",
};

function setting(id: number, rest: object = {}): object {
  return {
    autobuild: true,
    build_context: "/docker/",
    buildsource: "/api/build/v1/source/9/",
    dockerfile: "Dockerfile",
    nocache: id === 2,
    resource_uri: `/api/build/v1/setting/${id}/`,
    source_name: `b${id}`,
    source_type: "Branch",
    state: "Success",
    tag: "latest",
    ...rest,
  };
}

describe("Docker Hub's JSON", () => {
  const api = { image: "acme/api", kind: "branch", dockerfile: "Dockerfile", context: "/docker/", autobuild: true };

  it("is a source and its settings, put together by their addresses in the order of the source", () => {
    const { rules, findings } = read(JSON.stringify([{ objects: [setting(2), setting(1)] }, { objects: [SOURCE] }]));
    expect(findings).toEqual([]);
    expect(rules).toEqual([
      { ...api, place: "[0].objects[1]", source: "b1", tags: ["latest"], caching: true },
      { ...api, place: "[0].objects[0]", source: "b2", tags: ["latest"], caching: false },
    ]);
  });

  it("may have the settings inside the source, as it is sent when rules are made", () => {
    const { rules } = read(JSON.stringify({ ...SOURCE, build_settings: [setting(1)] }));
    expect(rules).toEqual([{ ...api, place: "build_settings[0]", source: "b1", tags: ["latest"], caching: true }]);
  });

  it("is one setting, a list of settings, or objects with the page's names", () => {
    expect(read(JSON.stringify(setting(1))).rules).toMatchObject([{ place: "the rule", image: null, source: "b1" }]);
    expect(read(JSON.stringify({ objects: [setting(1)] })).rules).toMatchObject([{ place: "objects[0]" }]);
    expect(
      read(JSON.stringify([{ "Source Type": "Tag", Source: "/^v/", "Docker Tag": "a,b", Repository: "acme/x" }])).rules,
    ).toMatchObject([{ place: "[0]", image: "acme/x", kind: "tag", source: "/^v/", tags: ["a", "b"] }]);
  });

  it("has the tag as name in the answers of the old page", () => {
    const old = { id: 1, name: "1.0", source_type: "Branch", source_name: "main", dockerfile_location: "/x" };
    expect(read(JSON.stringify({ docker_url: "acme/old", build_tags: [old] })).rules).toMatchObject([
      { image: "acme/old", source: "main", tags: ["1.0"], dockerfile: "/x", context: "" },
    ]);
  });

  it("does not guess whose a setting is that does not say so", () => {
    const { resource_uri: _, ...source } = SOURCE;
    const { rules } = read(JSON.stringify([{ ...source, build_settings: [] }, setting(1, { buildsource: undefined })]));
    expect(rules).toMatchObject([{ image: null, source: "b1" }]);
  });

  it("says what has no place in the file also where a rule says it", () => {
    expect(read(JSON.stringify([setting(1, { Autotest: "Internal" })])).findings).toEqual([
      { kind: "lost", place: "[0]", message: expect.stringMatching(/^Autotest \(Internal\)/) },
    ]);
  });

  it("says which rules are only named", () => {
    const { findings } = read(JSON.stringify([SOURCE, setting(1)]));
    expect(findings).toEqual([
      { kind: "lost", place: "[0].build_settings[1]", message: expect.stringContaining("setting/?buildsource=") },
    ]);
  });

  it("names variables without their values, autotest and links", () => {
    const envvars = [{ key: "TOKEN", value: "geheim" }, { name: "B" }, 7];
    const { findings } = read(
      JSON.stringify({
        ...SOURCE,
        envvars,
        autotests: "SOURCE_AND_FORKS",
        repo_links: true,
        build_settings: [setting(1)],
      }),
    );
    expect(findings).toEqual([
      {
        kind: "lost",
        place: "acme/api",
        message: expect.stringMatching(/^Autotest \(SOURCE_AND_FORKS\).*forks: test/),
      },
      { kind: "lost", place: "acme/api", message: expect.stringMatching(/^Repository Links/) },
      { kind: "lost", place: "acme/api", message: expect.stringContaining("(`TOKEN`, `B`)") },
    ]);
    expect(JSON.stringify(findings)).not.toContain("geheim");
  });

  it.each([
    [{ tag: 1.1 }, "Docker Tag is `1.1`, not text"],
    [{ source_name: null }, "Source is blank; Docker Hub does not save such a rule"],
    [{ autobuild: "maybe" }, "Autobuild is `maybe`; write on or off"],
    [{ dockerfile: ["x"] }, "Dockerfile location is a list, not text"],
  ])("leaves out a rule with %j", (rest, message) => {
    expect(read(JSON.stringify([setting(1, rest)])).findings).toEqual([{ kind: "lost", place: "[0]", message }]);
  });

  it("leaves out what is no rule", () => {
    expect(read(JSON.stringify([setting(1), 7, { a: 1 }])).findings).toEqual([
      { kind: "lost", place: "[1]", message: "`7` is no build rule" },
      {
        kind: "lost",
        place: "[2]",
        message: expect.stringContaining("`Source Type`, `Source`, `Docker Tag` is not there"),
      },
    ]);
  });

  it.each([
    ["{", expect.stringMatching(/^the rules begin like JSON and are not: /)],
    ["[]", expect.stringContaining("no build rules")],
    ['{"objects":[]}', expect.stringContaining("no build rules")],
    [
      JSON.stringify([SOURCE, { ...SOURCE, repository: "web", image: "acme/web" }]),
      expect.stringContaining("2 source repositories (acme/api, acme/web)"),
    ],
    ["[".repeat(100_000), expect.stringMatching(/^the rules begin like JSON/)],
  ])("refuses %.40j", (text, message) => {
    expect(readHubRules(text)).toEqual({ ok: false, message });
  });
});

it("never throws for what the text is", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void readHubRules(`type,source,tag\n${text}`)));
  fc.assert(fc.property(fc.json(), (text) => void readHubRules(text)));
  fc.assert(
    fc.property(
      fc.array(fc.record({ source_type: fc.anything(), source_name: fc.anything(), tag: fc.anything() })),
      (list) => void readHubRules(JSON.stringify(list)),
    ),
  );
  expect(readHubRules(`${"[".repeat(50_000)}${"]".repeat(50_000)}`).ok).toBe(false);
});
