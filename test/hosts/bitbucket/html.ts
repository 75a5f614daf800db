import type { ApiAnswer } from "./operation.ts";

/** `body`: HTML. The title is also the heading. The empty icon keeps browsers from asking for one. */
export function htmlPage(status: number, title: string, body: string): ApiAnswer {
  const text = `<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><link rel="icon" href="data:,"><title>${escapeHtml(title)}</title></head>
  <body><h1>${escapeHtml(title)}</h1>${body}</body>
</html>
`;
  return { status, body: Buffer.from(text), headers: { "content-type": "text/html; charset=utf-8" } };
}

/** For text and for attributes in quotes. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
