/**
 * Dates in the format language of Moment.js, as far as it names one meaning everywhere: what depends on a locale's
 * conventions (`L`, `LT`, `w`, `e`, …) is not in it. https://momentjs.com/docs/#/displaying/format/
 */

/** A moment as the wall clock of one time zone shows it. */
interface Clock {
  /** The wall clock's reading, held in the UTC fields. */
  readonly wall: Date;
  readonly instant: Date;
  /** Minutes east of UTC. */
  readonly offset: number;
}

/** In Moment's order, which decides how `DDDDD` is read. `[text]` stands for itself. */
const TOKEN =
  /\[[^[\]]*\]|Mo|MM?M?M?|Do|DDDo|DD?D?D?|ddd?d?|do|YYYY|YY|Qo?|GGGG|GG|Wo|WW?|E|a|A|hh?|HH?|kk?|mm?|ss?|S{1,9}|x|X|ZZ?/y;

const MONTHS = "January February March April May June July August September October November December".split(" ");
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

/** Letters Moment gives a meaning in one of its locales, and this does not. */
const LETTER = /[A-Za-z]/;

/** What a format consists of: tokens and text between them; null: a letter in it has no meaning here. */
function tokensOf(format: string): readonly { readonly token: string; readonly literal: boolean }[] | null {
  const tokens: { token: string; literal: boolean }[] = [];
  for (let at = 0; at < format.length; ) {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(format)?.[0];
    if (found?.startsWith("[")) {
      tokens.push({ token: found.slice(1, -1), literal: true });
    } else if (found !== undefined) {
      tokens.push({ token: found, literal: false });
    } else {
      const text = format.charAt(at);
      if (LETTER.test(text) || text === "\\") return null;
      tokens.push({ token: text, literal: true });
    }
    at += found?.length ?? 1;
  }
  return tokens;
}

/** Null: the format can be used. Else why not. */
export function dateFormatProblem(format: string): string | null {
  if (format === "") return "the date's format is empty; write for example `{{date 'YYYYMMDD'}}`";
  return tokensOf(format) === null
    ? "the date's format has letters that are no part of a date here; put text into brackets: `[v]YYYY`"
    : null;
}

export function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    // RangeError is its only way to say no.
    return false;
  }
}

/** `format` and `timeZone` were checked. Null: `at` is not a moment. */
export function formatDate(at: Date, format: string, timeZone: string): string | null {
  if (Number.isNaN(at.getTime())) return null;
  const clock = clockIn(at, timeZone);
  return (tokensOf(format) ?? []).map(({ token, literal }) => (literal ? token : value(token, clock))).join("");
}

function clockIn(instant: Date, timeZone: string): Clock {
  if (timeZone === "UTC") return { wall: instant, instant, offset: 0 };
  const options = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" } as const;
  const parts = new Intl.DateTimeFormat("en-US", { ...options, second: "numeric", hourCycle: "h23", timeZone });
  const shown = new Map(parts.formatToParts(instant).map((part) => [part.type, Number(part.value)]));
  const part = (type: Intl.DateTimeFormatPartTypes) => shown.get(type) ?? 0;
  const seconds = Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"));
  const wall = new Date(seconds + instant.getUTCMilliseconds());
  return { wall, instant, offset: Math.round((wall.getTime() - instant.getTime()) / 60_000) };
}

function value(token: string, { wall, instant, offset }: Clock): string {
  const month = wall.getUTCMonth();
  const hour = wall.getUTCHours();
  const name = names(token, wall);
  if (name !== null) return name;
  switch (token.replace(/o$/, "")) {
    case "YYYY":
      return pad(wall.getUTCFullYear(), 4);
    case "YY":
      return pad(wall.getUTCFullYear() % 100, 2);
    case "GGGG":
      return pad(isoWeek(wall).year, 4);
    case "GG":
      return pad(isoWeek(wall).year % 100, 2);
    case "x":
      return String(instant.getTime());
    case "X":
      return String(Math.floor(instant.getTime() / 1000));
    case "Z":
      return zone(offset, ":");
    case "ZZ":
      return zone(offset, "");
    case "Q":
      return numbered(token, Math.floor(month / 3) + 1);
    case "M":
    case "MM":
      return numbered(token, month + 1);
    case "D":
    case "DD":
      return numbered(token, wall.getUTCDate());
    case "DDD":
      return token === "DDDo" ? ordinal(dayOfYear(wall)) : String(dayOfYear(wall));
    case "DDDD":
      return pad(dayOfYear(wall), 3);
    case "d":
      return numbered(token, wall.getUTCDay());
    case "E":
      return String(wall.getUTCDay() || 7);
    case "W":
    case "WW":
      return numbered(token, isoWeek(wall).week);
    case "H":
    case "HH":
      return numbered(token, hour);
    case "h":
    case "hh":
      return numbered(token, hour % 12 || 12);
    case "k":
    case "kk":
      return numbered(token, hour || 24);
    case "m":
    case "mm":
      return numbered(token, wall.getUTCMinutes());
    case "s":
    case "ss":
      return numbered(token, wall.getUTCSeconds());
    default:
      return pad(wall.getUTCMilliseconds(), 3).padEnd(9, "0").slice(0, token.length);
  }
}

function names(token: string, wall: Date): string | null {
  const half = wall.getUTCHours() < 12 ? "am" : "pm";
  const month = MONTHS[wall.getUTCMonth()] ?? "";
  const day = DAYS[wall.getUTCDay()] ?? "";
  switch (token) {
    case "MMMM":
      return month;
    case "MMM":
      return month.slice(0, 3);
    case "dddd":
      return day;
    case "ddd":
      return day.slice(0, 3);
    case "dd":
      return day.slice(0, 2);
    case "a":
      return half;
    case "A":
      return half.toUpperCase();
    default:
      return null;
  }
}

/** `M` -> 1, `MM` -> 01, `Mo` -> 1st. */
function numbered(token: string, number: number): string {
  return token.endsWith("o") ? ordinal(number) : pad(number, token.length);
}

function ordinal(number: number): string {
  const teen = Math.floor((number % 100) / 10) === 1;
  const suffix = teen ? "th" : (["th", "st", "nd", "rd"][number % 10] ?? "th");
  return `${number}${suffix}`;
}

const DAY = 86_400_000;

function dayOfYear(wall: Date): number {
  return Math.floor((wall.getTime() - Date.UTC(wall.getUTCFullYear(), 0, 1)) / DAY) + 1;
}

/** ISO 8601: a week belongs to the year its Thursday is in. */
function isoWeek(wall: Date): { readonly year: number; readonly week: number } {
  const thursday = new Date(wall.getTime() + (4 - (wall.getUTCDay() || 7)) * DAY);
  return { year: thursday.getUTCFullYear(), week: Math.floor((dayOfYear(thursday) - 1) / 7) + 1 };
}

function zone(offset: number, separator: string): string {
  const minutes = Math.abs(offset);
  return `${offset < 0 ? "-" : "+"}${pad(Math.floor(minutes / 60), 2)}${separator}${pad(minutes % 60, 2)}`;
}

function pad(number: number, digits: number): string {
  return String(number).padStart(digits, "0");
}
