import * as http from "node:http";
import * as https from "node:https";
import { UserError } from "../../schema/errors.ts";
import type { Destination } from "./secret.ts";
import { trustedCertificates, whyNotConnected } from "./tls.ts";

export interface Post {
  readonly to: Destination;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly signal: AbortSignal;
}

/**
 * One POST, on a connection of its own. Of the answer only the status is read. A redirect is not followed: it would make a GET of
 * it, or carry a token to somebody else.
 * @throws UserError when it was not taken, without the URL or anything else that was sent; the signal's reason
 */
export async function post({ to, headers, body, signal }: Post): Promise<void> {
  const { protocol, username, password } = to.url;
  const url = new URL(to.url);
  [url.username, url.password] = ["", ""];
  const login = `${decoded(username)}:${decoded(password)}`;
  const options = {
    method: "POST",
    agent: false,
    signal,
    headers: {
      "user-agent": "borgpull",
      "content-length": String(Buffer.byteLength(body)),
      ...(username ? { authorization: `Basic ${Buffer.from(login).toString("base64")}` } : {}),
      ...headers,
    },
  } as const;
  const answered = Promise.withResolvers<number>();
  const request =
    protocol === "https:"
      ? https.request(url, { ...options, ca: trustedCertificates() })
      : http.request(url, options);
  request.on("error", answered.reject);
  request.on("response", (response) => {
    answered.resolve(response.statusCode ?? 0);
    response.destroy(); // whatever it is, and however much
  });
  request.end(body);
  refuse(to.name, await answered.promise.catch((error) => notSent(to.name, error, signal)));
}

function notSent(name: string, error: NodeJS.ErrnoException, signal: AbortSignal): never {
  signal.throwIfAborted();
  throw new UserError(
    `${name} cannot be reached: ${whyNotConnected(error.code)}.`,
    "Check the URL, and that the server runs.",
  );
}

function refuse(name: string, status: number): void {
  if (status >= 200 && status < 300) return;
  if (status >= 300 && status < 400) {
    throw new UserError(
      `${name} answers with a redirect (${status}), and none is followed.`,
      "Give the URL that it leads to.",
    );
  }
  const remedy =
    status >= 400 && status < 500 ? "Check the URL, and the token if it wants one." : "Look at that server.";
  throw new UserError(`${name} answers with status ${status}.`, remedy);
}

/** Of a URL's name or password; one with a bare % in it is taken as it stands. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
