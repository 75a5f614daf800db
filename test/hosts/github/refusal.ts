import { STATUS_CODES } from "node:http";

/** What an operation answers instead of a result. Thrown by operations, turned into an answer by the server. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  readonly errors: readonly object[] | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** Where a redirect leads. */
  readonly url: string | undefined;

  constructor(
    status: number,
    message: string = STATUS_CODES[status] ?? "",
    more: {
      readonly errors?: readonly object[];
      readonly headers?: Readonly<Record<string, string>>;
      readonly url?: string;
    } = {},
  ) {
    super(message);
    this.status = status;
    this.errors = more.errors;
    this.headers = more.headers ?? {};
    this.url = more.url;
  }

  /** The body GitHub would send. */
  body(): object {
    return {
      message: this.message,
      ...(this.url === undefined ? {} : { url: this.url }),
      ...(this.errors === undefined ? {} : { errors: this.errors }),
      documentation_url: "https://docs.github.com/rest",
      status: String(this.status),
    };
  }
}
