import * as z from "zod";
import { absolutePath, publicKey } from "./names.ts";

const login = {
  /** Name or address to connect to. */
  host: z.string().regex(/^[A-Za-z0-9._:-]+$/, "a host name or an address"),
  port: z.int().min(1).max(65535),
  user: z.string().regex(/^[A-Za-z_][A-Za-z0-9._-]{0,31}$/, "a Unix account's name"),
  /** The pinned host keys; a connection to anything else is refused before a secret is sent. */
  hostKeys: z.array(publicKey).min(1),
  /** "agent" (SSH_AUTH_SOCK), or the path of an unencrypted private key on the machine that connects. */
  auth: z.union([z.literal("agent"), absolutePath]),
};

/** How to reach and log in to one machine by ssh, with no secret in it. */
export const target = z.strictObject({ ...login, jump: z.strictObject(login).optional() });
export type Target = z.infer<typeof target>;

/** host, or [host]:port as known_hosts writes it. */
export const endpoint = (at: { readonly host: string; readonly port: number }): string =>
  at.port === 22 ? at.host : `[${at.host}]:${at.port}`;
