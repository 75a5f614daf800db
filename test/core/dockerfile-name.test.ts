import { expect, it } from "@jest/globals";
import { isCalledDockerfile } from "../../src/core/dockerfile-name.ts";

it.each([
  "Dockerfile",
  "dockerfile",
  "DOCKERFILE",
  "Dockerfile.web",
  "Dockerfile.web.arm64",
  "web.Dockerfile",
  "web.dev.dockerfile",
  "services/api/Dockerfile",
  "dockerfiles/ü #?/Dockerfile.jvm",
])("%j is called like a Dockerfile", (path) => {
  expect(isCalledDockerfile(path)).toBe(true);
});

it.each([
  "",
  "Dockerfile/",
  "Dockerfile/main.go",
  "Dockerfile.",
  ".Dockerfile",
  "Dockerfile-web",
  "MyDockerfile",
  "Dockerfiles",
  "Dockerfile.dockerignore",
  "web/Dockerfile.web.DockerIgnore",
  "Dockerfile.containerignore",
  "web.Dockerfile.dockerignore",
  "web.Dockerfile.bak",
  // A sign that some ways of ignoring the case of letters take for a k.
  "Doc\u212aerfile",
])("%j is not", (path) => {
  expect(isCalledDockerfile(path)).toBe(false);
});
