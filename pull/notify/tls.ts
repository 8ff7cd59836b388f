import * as tls from "node:tls";

/** Node's own authorities and the system's: who runs a server at home has put its authority there, as for curl. */
export const trustedCertificates = (): string[] => [
  ...new Set([...tls.getCACertificates("default"), ...tls.getCACertificates("system")]),
];

const reasons: Readonly<Record<string, string>> = {
  ENOTFOUND: "its name is not known",
  EAI_AGAIN: "its name could not be looked up",
  ECONNREFUSED: "nobody listens there",
  ECONNRESET: "it broke the connection",
  EPIPE: "it broke the connection",
  EHOSTUNREACH: "there is no way to it",
  ENETUNREACH: "there is no way to it",
  ETIMEDOUT: "it does not answer",
  EDNS: "its name is not known",
};

/** In a few words, from the error's code alone: its text may have what was sent in it. */
export function whyNotConnected(code = "unknown"): string {
  if (/CERT|SELF_SIGNED|ISSUER|VERIFY/.test(code)) return `its certificate is not good (${code})`;
  if (/^ERR_SSL_|^EPROTO$/.test(code)) return `it does not speak TLS as we do (${code})`;
  return reasons[code] ?? code;
}
