const NAME = /^(?:dockerfile(?:\..+)?|.+\.dockerfile)$/i;

/** What belongs to a Dockerfile is named after it: `Dockerfile.dockerignore`. */
const BESIDE = /\.(?:docker|container)ignore$/i;

/**
 * Whether the file at a path is called like a Dockerfile: `Dockerfile`, `Dockerfile.web`, `web.Dockerfile`, in any folder,
 * whatever the case of letters.
 */
export function isCalledDockerfile(path: string): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return NAME.test(name) && !BESIDE.test(name);
}
