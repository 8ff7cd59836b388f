import { UserError } from "../schema/errors.ts";

/** Mounts, network interfaces and systemd-nspawn are root's. */
export function requireRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new UserError(
    "The sandbox boots real Debian hosts, with mounts and network interfaces of their own, and that takes root.",
    "Run it again as root, on a machine where that does no harm (`sudo -E npm start`, say, or a throwaway VM).",
  );
}
