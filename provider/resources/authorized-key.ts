import { fileState } from "../../remote/facts/file.ts";
import { type KeyPlace, keyPlaces, parseKeyLine, renderKeyLine } from "../../remote/facts/keys.ts";
import type { Host } from "../../remote/host.ts";
import { describe, UserError } from "../../schema/errors.ts";
import { type AuthorizedKeyInputs, authorizedKeyInputs } from "../../schema/inputs.ts";
import { compare, compareConnection } from "../compare.ts";
import { type Context, type Kind, PartialFailure } from "../kind.ts";
import { hostOf, thisHome } from "../place.ts";
import { proveKey } from "../proof.ts";
import { betweenPulls } from "../vps-lock.ts";

interface AuthorizedKeyState extends AuthorizedKeyInputs {
  /** The whole line. */
  readonly line: string;
  /** Further lines of our file with the same key, as `number: text`: repaired, since the first line that matches wins. */
  readonly strays: readonly string[];
  /** Other files with the same key, as `file:number`: named, and not ours to change. */
  readonly elsewhere: readonly string[];
  /** Mode, user and group of our file: whoever may write it may let himself in. */
  readonly access: string;
}

const soundAccess = "0644 root root";

const blobOf = (publicKey: string): string => publicKey.split(" ")[1] as string;

function wanted(inputs: AuthorizedKeyInputs): AuthorizedKeyState {
  const { options, command, publicKey: key, comment } = inputs;
  return {
    ...inputs,
    line: renderKeyLine({ options: { ...options, command }, key, comment }),
    strays: [],
    elsewhere: [],
    access: soundAccess,
  };
}

/** The state that the places of the key show; undefined when our file does not hold it. */
export function keyState(
  known: AuthorizedKeyState,
  inputs: AuthorizedKeyInputs,
  places: readonly KeyPlace[],
): AuthorizedKeyState | undefined {
  const { line } = wanted(inputs);
  const ours = places.filter(({ file }) => file === inputs.path);
  const elsewhere = places
    .filter(({ file }) => file !== inputs.path)
    .map(({ file, line: number }) => `${file}:${number}`);
  const main =
    ours.find(({ text }) => text === line) ??
    ours.find(({ text }) => text.endsWith(inputs.comment)) ??
    ours[0];
  if (!main) return undefined;
  const strays = ours.filter((place) => place !== main).map(({ line: number, text }) => `${number}: ${text}`);
  const parsed = parseKeyLine(main.text);
  const { command = "", ...options } = parsed?.options ?? {};
  const { key = "(sshd cannot read this line)", comment = "" } = parsed ?? {};
  return { ...known, options, command, publicKey: key, comment, line: main.text, strays, elsewhere };
}

async function ensure(
  desired: AuthorizedKeyInputs,
  before: readonly string[],
  context: Context,
): Promise<AuthorizedKeyState> {
  const host = await hostOf(desired, context);
  const state = wanted(desired);
  const blobs = [...new Set([blobOf(desired.publicKey), ...before])];
  await edit(host, desired, state.line, blobs, context);
  const places = await host.fact(keyPlaces(blobOf(desired.publicKey)));
  const live = keyState(state, desired, places) ?? state;
  if (live.elsewhere.length > 0) {
    throw new PartialFailure(live, [
      `${host.name}: the pull key also stands in ${live.elsewhere.join(", ")}, where it may do more than pull. That file is not ours to change: remove that line.`,
    ]);
  }
  await prove(desired, live, context);
  return live;
}

async function edit(
  host: Host,
  { path, lock = "" }: AuthorizedKeyInputs,
  line: string,
  blobs: readonly string[],
  context: Context,
): Promise<void> {
  const { code, stderr } = await betweenPulls(
    () =>
      host.run("key-line", [path, lock, ...blobs], {
        stdin: line === "" ? "" : `${line}\n`,
        signal: context.signal,
      }),
    context,
  );
  if (code === 0) return;
  throw new UserError(
    `${host.name}: ${path} could not be changed: ${stderr.toString().trim()}.`,
    "Mend that on the host and run `pulumi up` again.",
  );
}

/** The pull key, tried out: only home has it. */
async function prove(
  desired: AuthorizedKeyInputs,
  live: AuthorizedKeyState,
  context: Context,
): Promise<void> {
  if (!desired.proof) return;
  if (desired.proof.home !== thisHome()) {
    await context.warnOnce(
      "The key lines were written but not proved: only the machine at home has the pull keys.",
    );
    return;
  }
  context.status("proving the pull key");
  try {
    await proveKey(desired, context.signal);
  } catch (error) {
    throw new PartialFailure(live, [describe(error)], { cause: error });
  }
}

/** One line of our authorized_keys file, the only one with its key; proved by a login with the pull key. */
export const authorizedKey: Kind<AuthorizedKeyInputs, AuthorizedKeyState> = {
  inputs: authorizedKeyInputs,
  computed: ["line", "strays", "elsewhere", "access"],
  promises: { strays: [], elsewhere: [], access: soundAccess },
  changing: ["line"],
  id: ({ path, comment }) => `${path}#${comment}`,
  diff: (live, desired) => {
    const found = {
      ...compareConnection(live, desired),
      ...compare(
        live,
        { ...desired, strays: [], elsewhere: [], access: soundAccess },
        ["options", "command", "publicKey", "comment", "strays", "elsewhere", "access"],
        ["path"],
      ),
    };
    // The same options in another order are another line: `restrict` takes away what was given before it.
    return Object.keys(found).length === 0 && live.line !== wanted(desired).line
      ? { line: { kind: "UPDATE" } }
      : found;
  },
  create: (desired, context) => ensure(desired, [], context),
  read: async (known, inputs, context) => {
    const host = await hostOf(inputs, context);
    const [places, file] = await Promise.all([
      host.fact(keyPlaces(blobOf(inputs.publicKey))),
      host.fact(fileState(inputs.path)),
    ]);
    const access = file.kind === "file" ? `${file.mode} ${file.user} ${file.group}` : file.kind;
    const state = keyState({ ...known, ...inputs }, inputs, places);
    return state && { ...state, access };
  },
  update: (live, desired, context) => ensure(desired, [blobOf(live.publicKey)].filter(Boolean), context),
  remove: async (known, inputs, context) => {
    const host = await hostOf(inputs, context);
    await edit(
      host,
      inputs,
      "",
      [...new Set([blobOf(inputs.publicKey), blobOf(known.publicKey)])].filter(Boolean),
      context,
    );
  },
  leftovers: ({ path, comment }) => `the line "${comment}" of ${path}`,
};
