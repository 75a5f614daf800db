import { STATUS_CODES } from "node:http";

/** What an operation answers instead of a result. Thrown by operations, turned into an answer by the server. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  /** What is wrong with which field of a request; or the scopes that are missing. */
  readonly fields: Readonly<Record<string, readonly string[]>> | undefined;
  readonly detail: unknown;
  /** The body, where it is not of the usual shape. */
  readonly other: object | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    message: string = STATUS_CODES[status] ?? "",
    more: {
      readonly fields?: Readonly<Record<string, readonly string[]>>;
      readonly detail?: unknown;
      readonly other?: object;
      readonly headers?: Readonly<Record<string, string>>;
    } = {},
  ) {
    super(message);
    this.status = status;
    this.fields = more.fields;
    this.detail = more.detail;
    this.other = more.other;
    this.headers = more.headers ?? {};
  }

  /** The body Bitbucket would send. */
  body(): object {
    if (this.other !== undefined) return this.other;
    return {
      type: "error",
      error: {
        message: this.message,
        ...(this.fields === undefined ? {} : { fields: this.fields }),
        ...(this.detail === undefined ? {} : { detail: this.detail }),
      },
    };
  }
}
