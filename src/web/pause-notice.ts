/** What every page says while the whole instance is paused. */
import type { Request, RequestHandler } from "express";
import { type Pause, pauseText } from "../core/pause.ts";
import type { PauseStore } from "../engine/pause-port.ts";
import type { Gate } from "./auth.ts";
import type { Views } from "./views.ts";

/** `views` with the notice, which is that of whoever asked last: it is the same for everybody. */
export function createPauseNotice(
  store: Pick<PauseStore, "pausesOf">,
  views: Views,
  gate: Pick<Gate, "session">,
): { readonly views: Views; readonly look: RequestHandler } {
  let notice: string | null = null;
  return {
    views: { ...views, render: (name, data) => views.render(name, { ...data, notice }) },
    // Strangers are told nothing, and make nobody ask the database.
    look: (req, _res, next) => {
      ask(req).then(() => next(), next);
    },
  };

  async function ask(req: Request): Promise<void> {
    if ((await gate.session(req)) === null) return;
    const [widest] = await store.pausesOf({});
    notice = widest === undefined ? null : `${pauseSentence(widest)} Nothing is published or reported either.`;
  }
}

/** For people who look at what is paused. */
export function pauseSentence(pause: Pause): string {
  const text = pauseText(pause);
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}. What is pushed meanwhile is kept.`;
}
