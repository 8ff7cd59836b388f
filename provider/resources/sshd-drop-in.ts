import { fileState } from "../../remote/facts/file.ts";
import { parseSshdT, settingsInForce, sshdState } from "../../remote/facts/sshd.ts";
import type { Host } from "../../remote/host.ts";
import { describe, UserError } from "../../schema/errors.ts";
import { type SshdDropInInputs, sshdDropInInputs } from "../../schema/inputs.ts";
import { compare, compareConnection } from "../compare.ts";
import type { Context, Kind } from "../kind.ts";
import { mayTakeFile, takenOver } from "../owner.ts";
import { hostOf } from "../place.ts";
import { betweenPulls } from "../vps-lock.ts";

interface SshdDropInState extends SshdDropInInputs {
  readonly mode: string;
  /** Unix user and group: who owns the file may change what sshd does. */
  readonly unixOwner: string;
  /** Whether the running sshd has read it. */
  readonly loaded: boolean;
}

/** After this long without a proof the host puts the old file back by itself. */
const restoreSeconds = 60;

const promises = { mode: "0644", unixOwner: "root:root", loaded: true } as const;
const wanted = (inputs: SshdDropInInputs): SshdDropInState => ({ ...inputs, ...promises });
const compared = ["content", "mode", "unixOwner", "settings", "loaded", "owner"];

/** What sshd would do with the drop-in, tried on a copy of its configuration. Throws UserError, with nothing changed. */
export async function tryDropIn(
  host: Host,
  { user, path, content, settings }: Pick<SshdDropInInputs, "user" | "path" | "content" | "settings">,
): Promise<void> {
  const tried = await host.run("sshd", ["try", user, path, String(Buffer.byteLength(content))], {
    stdin: content,
  });
  if (tried.code !== 0) {
    throw new UserError(
      `${host.name}: sshd refuses the drop-in: ${tried.stderr.toString().trim().split("\n").join("; ")}.`,
      "Nothing was changed and the old configuration is in force; correct sshd.extra.",
    );
  }
  const [effective = "", alone = ""] = tried.stdout.toString().split("== alone\n");
  refuseIneffective(
    host,
    settings,
    settingsInForce(settings, parseSshdT(effective) ?? {}, parseSshdT(alone) ?? {}),
  );
}

function refuseIneffective(
  host: Host,
  settings: Readonly<Record<string, string>>,
  inForce: Readonly<Record<string, string>>,
): void {
  const lost = Object.keys(settings).filter((name) => inForce[name] !== settings[name]);
  if (lost.length === 0) return;
  const list = lost
    .map((name) => `${name} would be "${inForce[name]}" instead of "${settings[name]}"`)
    .join(", ");
  throw new UserError(
    `${host.name}: sshd would not put the whole drop-in in force: ${list}.`,
    "Something that sshd reads earlier sets it (an earlier file in sshd_config.d with a Match that fits); change it there. The old configuration is in force.",
  );
}

/** Changes the drop-in under an armed restore, and keeps the change only when a new login has worked. */
async function change(
  host: Host,
  desired: SshdDropInInputs,
  what: "write" | "remove",
  context: Context,
): Promise<void> {
  const { path, content, lock = "", connection } = desired;
  const bytes = String(Buffer.byteLength(content));
  const changed = await betweenPulls(
    () => host.run("sshd", ["change", path, lock, String(restoreSeconds), what, bytes], { stdin: content }),
    context,
  );
  if (changed.code !== 0) {
    await host.run("sshd", ["restore", path]);
    throw new UserError(
      `${host.name}: sshd did not take the changed configuration: ${changed.stderr.toString().trim()}.`,
      "The old configuration is back; mend what sshd names.",
    );
  }
  try {
    await context.hosts.freshLogin(connection);
  } catch (error) {
    await host.run("sshd", ["restore", path]);
    throw new UserError(
      `${host.name}: after the change nobody could log in any more (${describe(error)}).`,
      "The old configuration is back; look at sshd's log on the host.",
      { cause: error },
    );
  }
  const kept = await host.run("sshd", ["keep", path]);
  if (kept.code !== 0) {
    throw new UserError(
      `${host.name}: the proof took longer than ${restoreSeconds} s, and the host has put its old sshd configuration back.`,
      "Run `pulumi up` again.",
    );
  }
}

async function ensure(
  live: SshdDropInState | undefined,
  desired: SshdDropInInputs,
  context: Context,
): Promise<SshdDropInState> {
  const host = await hostOf(desired, context);
  const now = await host.fact(fileState(desired.path));
  mayTakeFile(`${host.name}: ${desired.path}`, now, desired, live !== undefined);
  await tryDropIn(host, desired);
  await change(host, desired, "write", context);
  const state = await readState(host, wanted(desired), desired);
  if (!state) throw new UserError(`${host.name}: ${desired.path} vanished.`, "Run `pulumi up` again.");
  refuseIneffective(host, desired.settings, state.settings);
  return state;
}

async function readState(
  host: Host,
  known: SshdDropInState,
  inputs: SshdDropInInputs,
): Promise<SshdDropInState | undefined> {
  const [file, sshd] = await Promise.all([
    host.fact(fileState(inputs.path)),
    host.fact(sshdState(inputs.user, inputs.path)),
  ]);
  // Gone and about to come back by itself: still ours to remove.
  if (file.kind === "absent" && !sshd.pending) return undefined;
  const { settings: asked } = inputs;
  const settings =
    sshd.effective && sshd.alone
      ? settingsInForce(
          asked,
          sshd.effective,
          file.kind === "file" && file.content === inputs.content ? sshd.alone : {},
        )
      : Object.fromEntries(
          Object.keys(asked).map((name) => [
            name,
            `sshd refuses its configuration: ${sshd.refusal.slice(0, 200)}`,
          ]),
        );
  if (file.kind !== "file")
    return {
      ...known,
      content: file.kind === "absent" ? "(absent)\n" : `(${file.kind} ${file.what})\n`,
      mode: "(none)",
      unixOwner: "(none)",
      settings,
      loaded: sshd.loaded,
    };
  return {
    ...known,
    content: file.content,
    mode: file.mode,
    unixOwner: `${file.user}:${file.group}`,
    settings,
    loaded: sshd.loaded,
  };
}

/** A drop-in of sshd's configuration that is in force: tried first, then reloaded under an armed restore, then proved by a new login. */
export const sshdDropIn: Kind<SshdDropInInputs, SshdDropInState> = {
  inputs: sshdDropInInputs,
  computed: ["mode", "unixOwner", "loaded"],
  promises,
  id: ({ path }) => path,
  diff: (live, desired) => ({
    ...compareConnection(live, desired),
    ...compare(live, wanted(desired), compared, ["path", "user"]),
  }),
  rehearse: async (desired, context) => tryDropIn(await hostOf(desired, context), desired),
  create: (desired, context) => ensure(undefined, desired, context),
  read: async (known, inputs, context) => readState(await hostOf(inputs, context), known, inputs),
  update: ensure,
  remove: async (_known, inputs, context) => {
    const host = await hostOf(inputs, context);
    const [now, sshd] = await Promise.all([
      host.fact(fileState(inputs.path)),
      host.fact(sshdState(inputs.user, inputs.path)),
    ]);
    if (now.kind === "absent" && !sshd.pending) return;
    const other = takenOver(now, inputs.owner);
    if (other !== undefined) {
      await context.warn(`${host.name}: ${inputs.path} now belongs to ${other} and stays.`);
      return;
    }
    await change(host, inputs, "remove", context);
  },
  leftovers: ({ path }) => path,
};
