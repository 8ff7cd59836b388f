import { UserError } from "../schema/errors.ts";
import type { AuthorizedKeyInputs } from "../schema/inputs.ts";

/** Logs in with the pull key as a pull would, and lets borgctl say that everything it needs is there. Throws UserError. */
export async function proveKey(
  { connection, proof }: AuthorizedKeyInputs,
  signal: AbortSignal,
): Promise<void> {
  if (!proof) return;
  const { probe } = await import("../pull/probe.ts");
  const target = { ...connection, user: proof.account, auth: proof.identityFile };
  const result = await probe({ target, instance: proof.instance, signal });
  if (!result.ok) throw new UserError(result.failure.problem, result.failure.remedy);
}
