import type { FileState } from "../remote/facts/file.ts";
import { UserError } from "../schema/errors.ts";
import { ownerOf } from "../schema/names.ts";

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

/** The owner that a file's header names; undefined for no file and for a foreign one. */
const ownerOfFile = (file: FileState): string | undefined =>
  file.kind === "file" ? ownerOf(file.content) : undefined;

/**
 * mayTake for a whole file; one that is not there, or is as wanted already, is nobody's to refuse.
 * @param recorded whether it is in our state, so ours even when somebody wrote over its header
 */
export function mayTakeFile(
  what: string,
  file: FileState,
  desired: { readonly content: string; readonly owner: string; readonly adopt?: boolean | undefined },
  recorded: boolean,
): void {
  if (file.kind === "absent" || (file.kind === "file" && file.content === desired.content)) return;
  mayTake(what, ownerOfFile(file), desired.owner, desired.adopt || recorded);
}

/** Another stack's owner id, when its header stands there now: the file is no longer ours to remove. */
export function takenOver(file: FileState, owner: string): string | undefined {
  const found = ownerOfFile(file);
  return found === owner ? undefined : found;
}
