import { describe, expect, it } from "@jest/globals";
import { parseNamespaceMap } from "../../../src/core/lifecycle/namespace-map.ts";

const UUID = "7c3e0b5e-6a3d-4a77-9e0d-0d8f6b4c1a2f";

describe("the file of namespaces", () => {
  it("gives each account the one that lists it, by id", () => {
    const text = `
# who publishes where
acme:
  - github:default:17
  - bitbucket:default:{${UUID.toUpperCase()}}
beta: ["github:ghes.example.com:18", "bitbucket:default:00000000-6a3d-4a77-9e0d-0d8f6b4c1a2f"]
empty: []
`;
    expect(parseNamespaceMap(text)).toEqual({
      ok: true,
      map: new Map([
        ["github:default:17", "acme"],
        [`bitbucket:default:{${UUID}}`, "acme"],
        ["github:ghes.example.com:18", "beta"],
        ["bitbucket:default:{00000000-6a3d-4a77-9e0d-0d8f6b4c1a2f}", "beta"],
      ]),
    });
  });

  it.each([
    ["", "has no namespaces"],
    ["{}", "has no namespaces"],
    ["- acme", "has no namespaces"],
    ["acme", "has no namespaces"],
    ["acme: {", "Flow map"],
    ["acme: []\nacme: []", "Map keys must be unique"],
    ["acme: github:default:17", "acme has no list of accounts"],
    ["acme: { github: 17 }", "acme has no list of accounts"],
    ["Acme: []", '"Acme" is no name that registries take'],
    ["library: []", '"library" is reserved'],
    ["__proto__: []", "is no name that registries take"],
    // A name is never taken for an id.
    ["acme: [github:default:acme]", "is no account"],
    ["acme: [github:17]", "is no account"],
    ["acme: [acme]", "is no account"],
    ["acme: [17]", "is no account"],
    ["acme: [gitlab:default:17]", "is no account"],
    ["acme: ['github:default:17 ']", "is no account"],
    ["acme: ['github:default:017']", "is no account"],
    [`acme: ['bitbucket:default:{${UUID}']`, "is no account"],
    ["acme: [bitbucket:default:17]", "is no account"],
    ["acme: [github:default:17]\nbeta: [github:default:17]", "github:default:17 is listed twice"],
    [`a: ['bitbucket:default:${UUID}']\nb: ['bitbucket:default:{${UUID}}']`, "is listed twice"],
  ])("says what is wrong with %j", (text, problem) => {
    const parsed = parseNamespaceMap(text);
    expect(parsed.ok ? [] : parsed.problems).toEqual([expect.stringContaining(problem)]);
  });

  it("says everything at once", () => {
    const parsed = parseNamespaceMap("Acme: [x, y]\nbeta: 1\n");
    expect(parsed.ok ? [] : parsed.problems).toHaveLength(4);
  });
});
