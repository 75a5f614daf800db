import { describe, expect, it } from "@jest/globals";
import type { Build, BuildState } from "../../src/core/model.ts";
import { isEmail, type NoticeEvent, noticeOf, noticeText, parseNoticeEvents } from "../../src/core/notices.ts";
import { aBuild } from "../web/world.ts";

describe("what is told of a build", () => {
  const cases: readonly (readonly [Build["planned"]["kind"], BuildState, BuildState | null, NoticeEvent | null])[] = [
    ["branch", "failed", null, "failed"],
    ["branch", "failed", "failed", "failed"],
    ["branch", "timed_out", "succeeded", "failed"],
    ["tag", "failed", null, "failed"],
    ["branch", "succeeded", "failed", "fixed"],
    ["branch", "succeeded", "timed_out", "fixed"],
    ["branch", "succeeded", "succeeded", null],
    ["branch", "succeeded", null, null],
    ["branch", "canceled", "failed", null],
    ["branch", "superseded", "failed", null],
    ["pull_request", "failed", null, null],
    ["pull_request", "succeeded", "failed", null],
  ];

  it.each(cases)("a %s that %s after %s: %s", (kind, state, before, event) => {
    expect(noticeOf({ kind, state }, before)).toBe(event);
  });
});

describe("its words", () => {
  const url = "https://wharfinger.example/builds/b1";
  const failure = { class: "build", message: "RUN make: exit status 2" } as const;
  const broken = aBuild({ state: "failed", digest: null, failure });

  it("say what failed, what to do, where to look, and how the log ends", () => {
    const notice = noticeText("failed", broken, { url, tail: ["make: *** [all] Error 2"] });
    expect(notice.subject).toBe("acme/api failed: branch main of acme/api");
    expect(notice.text).toBe(`acme/api failed: branch main of acme/api.

build: RUN make: exit status 2

A step of the Dockerfile failed; the end of the log shows which. The commands on its page repeat it on your machine.

Commit:  0123456789abcdef0123456789abcdef01234567
Build:   https://wharfinger.example/builds/b1

The end of its log:

    make: *** [all] Error 2
`);
    expect(notice.chat).toBe(`${notice.subject}\n${url}\nbuild: RUN make: exit status 2`);
  });

  it("say that it works again, and no more", () => {
    const notice = noticeText("fixed", aBuild(), { url, tail: ["secret"] });
    expect(notice.subject).toBe("acme/api works again: branch main of acme/api");
    expect(notice.text).not.toContain("secret");
    expect(notice.chat).toBe(`${notice.subject}\n${url}`);
  });

  it("of a branch, a message and a log that want to be more than words, are words", () => {
    const planned = { ...broken.planned, ref: "refs/heads/x\r\nBcc: all@acme.example" };
    const hostile = {
      ...broken,
      planned,
      failure: { class: "build", message: "<!channel> <https://evil.example|click> & \u202etxt\u0000" } as const,
    };
    const notice = noticeText("failed", hostile, {
      url,
      tail: ["\u001b[31mred\u001b[0m \u0007\u202e", "\u001b]0;title"],
    });
    expect(notice.subject).not.toMatch(/[\r\n]/);
    expect(notice.chat.split("\n")).toHaveLength(3);
    expect(notice.chat).toContain("&lt;!channel&gt; &lt;https://evil.example|click&gt; &amp; txt");
    expect(notice.text).toContain("    red \n    ]0;title\n");
    expect(notice.text).not.toMatch(/(?!\n)\p{Cc}|\u202e/u);
  });
});

describe("events, as typed", () => {
  it.each([
    ["failed,fixed", ["failed", "fixed"]],
    [" fixed , failed", ["failed", "fixed"]],
    ["failed,failed", ["failed"]],
  ])("%j are %j", (text, events) => {
    expect(parseNoticeEvents(text)).toEqual({ ok: true, events });
  });

  it.each(["", "failed,", "broken", "failed;fixed"])("%j are none", (text) => {
    expect(parseNoticeEvents(text)).toMatchObject({ ok: false });
  });
});

describe("an e-mail address", () => {
  it.each(["a@b", "team+builds@acme.example", "o'hara@mail.acme.example", "a@1.example"])("%s is one", (text) => {
    expect(isEmail(text)).toBe(true);
  });

  it.each([
    "",
    "acme.example",
    "@acme.example",
    "a@",
    "a b@acme.example",
    "a@acme.example,b@acme.example",
    "a@acme.example\nBcc: b@acme.example",
    "a@acme.example ",
    "<a@acme.example>",
    "a@-acme.example",
    "a@acme..example",
    `${"a".repeat(65)}@acme.example`,
    `a@${"a.".repeat(130)}example`,
  ])("%j is none", (text) => {
    expect(isEmail(text)).toBe(false);
  });
});
