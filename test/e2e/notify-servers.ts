/** Servers on this machine that take notices, and remember what came. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import * as net from "node:net";
import * as path from "node:path";
import { text } from "node:stream/consumers";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";

export interface Arrived {
  readonly path: string;
  readonly method: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

type Answer = (request: http.IncomingMessage, response: http.ServerResponse) => void;

const ok: Answer = (_, response) => response.end("ok");

/** An HTTP server, or with a certificate an HTTPS one. */
export async function webServer({ answer = ok, tls }: { answer?: Answer; tls?: Certificate } = {}) {
  const arrived: Arrived[] = [];
  const take: Answer = async (request, response) => {
    const { url: at = "", method = "", headers } = request;
    arrived.push({ path: at, method, headers, body: await text(request) });
    answer(request, response);
  };
  const server = tls ? https.createServer(tls, take) : http.createServer(take);
  const port = await listening(server);
  return {
    arrived,
    url: `${tls ? "https" : "http"}://localhost:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Takes connections, and says what it is told to, or nothing. */
export async function dumbServer(says: (socket: net.Socket) => void = () => {}) {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    socket.resume();
    says(socket);
  });
  const port = await listening(server);
  return {
    port,
    /** Connections that nobody has ended. */
    open: () => sockets.size,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

export interface Delivered {
  readonly from: string;
  readonly to: readonly string[];
  readonly encrypted: boolean;
  readonly user: string | undefined;
  readonly text: string;
}

/** An SMTP server with one user. */
export async function mailServer({
  disabledCommands = [],
  ...options
}: Omit<SMTPServerOptions, "disabledCommands"> & { readonly disabledCommands?: readonly string[] }) {
  const delivered: Delivered[] = [];
  const logins: string[] = [];
  const server = new SMTPServer({
    ...options,
    disabledCommands: [...disabledCommands],
    onAuth: ({ username, password }, _session, done) => {
      logins.push(`${username}:${password}`);
      if (username === "me" && password === "pass word") done(null, { user: username });
      else done(new Error("no"));
    },
    onData: async (stream, { envelope, secure, user }, done) => {
      const { mailFrom, rcptTo } = envelope;
      delivered.push({
        from: mailFrom ? mailFrom.address : "",
        to: rcptTo.map(({ address }) => address),
        encrypted: secure,
        user,
        text: await text(stream),
      });
      done();
    },
  });
  server.on("error", () => {}); // a client that refuses its certificate
  const port = await listening(server.server);
  return {
    delivered,
    /** Each try, `user:password`. */
    logins,
    port,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(resolve)),
  };
}

export interface Certificate {
  readonly key: string;
  readonly cert: string;
  /** The file of the certificate, which is its own authority. */
  readonly file: string;
}

/** A certificate for localhost that nobody knows. */
export function makeCertificate(folder: string): Certificate {
  const [key, file] = [path.join(folder, "key.pem"), path.join(folder, "cert.pem")];
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
      ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", file],
    ],
    { stdio: "pipe" },
  );
  return { key: fs.readFileSync(key, "utf8"), cert: fs.readFileSync(file, "utf8"), file };
}

const listening = (server: net.Server): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, "localhost", () => resolve((server.address() as net.AddressInfo).port));
  });
