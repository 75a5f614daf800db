/** Reads server-sent events as browsers do, one by one. */
export interface ServerEvent {
  readonly event: string;
  readonly data: string;
  /** The last one that was told, by this event or before it; empty: none was. */
  readonly lastId: string;
}

export interface Events {
  readonly status: number;
  readonly headers: Headers;
  /** The next one; null: the stream has ended. */
  next(): Promise<ServerEvent | null>;
  /** All until the end of the stream. */
  rest(): Promise<readonly ServerEvent[]>;
  /** Everything that came so far, comments too. */
  raw(): string;
  close(): void;
}

export async function openEvents(url: string, headers: Record<string, string> = {}): Promise<Events> {
  const stop = new AbortController();
  const answer = await fetch(url, { headers: { Accept: "text/event-stream", ...headers }, signal: stop.signal });
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let all = "";
  let waiting = "";
  let lastId = "";

  function parse(block: string): ServerEvent | null {
    const fields = block.split("\n").map((line) => /^(\w+): ?(.*)$/.exec(line));
    const of = (name: string) => fields.flatMap((field) => (field?.[1] === name ? [field[2] ?? ""] : []));
    lastId = of("id").at(-1) ?? lastId;
    const [event] = of("event");
    return event === undefined ? null : { event, data: of("data").join("\n"), lastId };
  }

  async function next(): Promise<ServerEvent | null> {
    for (;;) {
      const end = waiting.indexOf("\n\n");
      if (end >= 0) {
        const event = parse(waiting.slice(0, end));
        waiting = waiting.slice(end + 2);
        if (event !== null) return event;
        continue;
      }
      const chunk = await reader?.read();
      if (chunk === undefined || chunk.done) return null;
      all += chunk.value;
      waiting += chunk.value;
    }
  }

  return {
    status: answer.status,
    headers: answer.headers,
    next,
    async rest() {
      const events: ServerEvent[] = [];
      for (let event = await next(); event !== null; event = await next()) events.push(event);
      return events;
    },
    raw: () => all,
    close: () => stop.abort(),
  };
}
