/** Putting a file in place and taking it away, on any host, between pulls. */
import type { Host } from "../remote/host.ts";
import { UserError } from "../schema/errors.ts";
import type { Context } from "./kind.ts";
import { betweenPulls } from "./vps-lock.ts";

export interface FileToPut {
  readonly path: string;
  readonly content: string;
  readonly mode: string;
  readonly user: string;
  readonly group: string;
  readonly validate?: readonly string[] | undefined;
  readonly within?: string | undefined;
  readonly lock?: string | undefined;
}

/** Writes the file whole or not at all. Throws UserError when it is refused by its validation or its folder is not safe. */
export async function putFile(host: Host, file: FileToPut, context: Context): Promise<void> {
  const { path, content, mode, user, group, lock = "", validate = [] } = file;
  const result = await betweenPulls(
    () =>
      host.run(
        "write-file",
        [path, String(Buffer.byteLength(content)), mode, user, group, lock, ...validate],
        {
          stdin: content,
          signal: context.signal,
        },
      ),
    context,
  );
  if (result.code === 0) return;
  const said = result.stderr.toString().trim();
  if (result.code === 65) {
    throw new UserError(
      `${host.name}: ${path} was not written, "${validate.join(" ")}" refuses it: ${said}.`,
      "Nothing was changed; correct the settings that it comes from.",
    );
  }
  throw new UserError(
    `${host.name}: ${path} could not be written: ${said || `exit ${result.code ?? "none"}`}.`,
    "Mend that on the host and run `pulumi up` again.",
  );
}

/** Removes the file, and the folder of ours that it leaves empty. */
export async function removeFile(
  host: Host,
  { path, lock = "", within = "" }: Pick<FileToPut, "path" | "lock" | "within">,
  context: Context,
): Promise<void> {
  const result = await betweenPulls(
    () => host.run("remove-file", [path, lock, within], { signal: context.signal }),
    context,
  );
  if (result.code === 0) return;
  throw new UserError(
    `${host.name}: ${path} could not be removed: ${result.stderr.toString().trim()}.`,
    "Remove it by hand.",
  );
}
