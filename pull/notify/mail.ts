import { UserError } from "../../schema/errors.ts";
import type { Channel } from "../../schema/notify.ts";
import { clean } from "../lines.ts";
import { type Notice, textOf, titleOf } from "./notice.ts";
import { readSecret } from "./secret.ts";
import { trustedCertificates, whyNotConnected } from "./tls.ts";

type Mail = Extract<Channel, { kind: "mail" }>;

const ports = { tls: 465, starttls: 587, none: 25 } as const;

/**
 * Sends a mail of plain text by SMTP. With "starttls" nothing goes out in plain, neither the login nor the mail.
 * @throws UserError when the server did not take it; the signal's reason
 */
export async function mail(channel: Mail, notice: Notice, signal: AbortSignal): Promise<void> {
  const { host, security = "starttls", port = ports[security], from, to } = channel;
  const auth = loginOf(channel);
  // Only who sends mail waits for it to be read.
  const { createTransport } = await import("nodemailer");
  const transport = createTransport({
    host,
    port,
    secure: security === "tls",
    requireTLS: security === "starttls",
    ignoreTLS: security === "none",
    tls: { ca: trustedCertificates() },
    ...(auth ? { auth, forceAuth: true } : {}),
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    await transport.sendMail({
      from,
      to,
      subject: `[borgpull] ${titleOf(notice)}`,
      text: textOf(notice),
      headers: { "Auto-Submitted": "auto-generated" }, // RFC 3834: no holiday answers
      signal,
    });
  } catch (error) {
    signal.throwIfAborted();
    throw notSent(`${host}:${port}`, error as SmtpError);
  } finally {
    transport.close();
  }
}

function loginOf({ user, passwordFile }: Mail) {
  if (user === undefined && passwordFile === undefined) return undefined;
  if (user === undefined || passwordFile === undefined) {
    throw new UserError("Of user and passwordFile one is missing.", "Give both, or neither.");
  }
  return { user, pass: readSecret(passwordFile, "this password") };
}

/** What nodemailer throws (nodemailer.com/errors). */
type SmtpError = Error & {
  readonly code?: string;
  /** Node's own. */
  readonly originalCode?: string;
  readonly responseCode?: number;
  readonly command?: string;
};

function notSent(server: string, error: SmtpError): UserError {
  const { code, originalCode, responseCode, command } = error;
  const status = responseCode ? ` (${responseCode})` : "";
  if (code === "EAUTH" || code === "ENOAUTH") {
    return new UserError(`${server} refuses the login${status}.`, "Check user and passwordFile.");
  }
  if (command === "STARTTLS") {
    return new UserError(
      `${server} offers no STARTTLS, and nothing is sent in plain${status}.`,
      'Use security "tls" with its port, or "none" for a server on this machine.',
    );
  }
  if (responseCode) {
    return new UserError(
      `${server} refuses the mail${status}.`,
      `Check from and to: ${clean(command ?? "")}.`,
    );
  }
  return new UserError(
    `${server} cannot be reached: ${whyNotConnected(originalCode ?? code)}.`,
    "Check host, port and security, and that it runs.",
  );
}
