import { UserError } from "../schema/errors.ts";

/**
 * Whether what is there may be taken over. Ours is, so that a lost state heals by `up`; another stack's never is; what nobody of us made
 * only with `adopt: true`.
 * @param found the owner its header, comment or GECOS names; undefined for a foreign thing
 * @param adopt asked for, or the thing is in our state: ours even when somebody wrote over its header
 * @throws UserError
 */
export function mayTake(
  what: string,
  found: string | undefined,
  owner: string,
  adopt: boolean | undefined,
): void {
  if (found === owner) return;
  if (found !== undefined) {
    throw new UserError(
      `${what} belongs to the borgpull stack ${found}.`,
      "Remove it there first, or give this stack an instance name of its own (borgpull:instance).",
    );
  }
  if (adopt) return;
  throw new UserError(
    `${what} is there already and was not made by borgpull.`,
    "Look at it; then remove it, or let borgpull take it over with adopt: true.",
  );
}
