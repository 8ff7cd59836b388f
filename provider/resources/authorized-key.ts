import { type FileState, fileState } from "../../remote/facts/file.ts";
import { type KeyPlace, keyPlaces, parseKeyLine, renderKeyLine } from "../../remote/facts/keys.ts";
import type { Host } from "../../remote/host.ts";
import { describe, UserError } from "../../schema/errors.ts";
import { type AuthorizedKeyInputs, authorizedKeyInputs } from "../../schema/inputs.ts";
import { ownerOf } from "../../schema/names.ts";
import { compare, compareConnection } from "../compare.ts";
import { type Context, type Kind, PartialFailure } from "../kind.ts";
import { hostOf, thisHome } from "../place.ts";
import { proveKey } from "../proof.ts";

interface AuthorizedKeyState extends AuthorizedKeyInputs {
  /** The whole line. */
  readonly line: string;
  /**
   * Lines of our file that ought not to be there, as `number: text`: with the same key, since the first that matches wins, or with a key
   * that no borgpull put there. They are removed.
   */
  readonly strays: readonly string[];
  /** Other files with the same key, as `file:number`: named, and not ours to change. */
  readonly elsewhere: readonly string[];
  /** Mode and owner of our file: sshd reads it as the account, and nobody else may write it. */
  readonly file: string;
  /** Whether a login with the pull key has worked with this line. */
  readonly proved: boolean;
}

const promises = { strays: [], elsewhere: [], file: "0644 root:root", proved: true } as const;

/** The base64 of a key; undefined for what is none. A short text could be a part of somebody else's line. */
const blobOf = (publicKey: string): string | undefined => /^\S+ ([A-Za-z0-9+/]{40,}=*)$/.exec(publicKey)?.[1];

const lineOf = ({ options, command, publicKey: key, comment }: AuthorizedKeyInputs): string =>
  renderKeyLine({ options: { ...options, command }, key, comment });

/** Lines of our file with a key and without any borgpull's mark: their owners could log in as the account. */
function unmanagedLines(file: FileState): readonly { readonly line: number; readonly text: string }[] {
  if (file.kind !== "file") return [];
  return file.content
    .split("\n")
    .map((text, index) => ({ line: index + 1, text }))
    .filter(({ text }) => parseKeyLine(text) && ownerOf(text) === undefined);
}

/** The state that the places of the key show; undefined when our file does not hold it. */
export function keyState(
  known: AuthorizedKeyState,
  inputs: AuthorizedKeyInputs,
  places: readonly KeyPlace[],
  file: FileState,
): AuthorizedKeyState | undefined {
  const line = lineOf(inputs);
  const ours = places.filter((place) => place.file === inputs.path);
  const elsewhere = places
    .filter((place) => place.file !== inputs.path)
    .map((place) => `${place.file}:${place.line}`);
  const main =
    ours.find(({ text }) => text === line) ??
    ours.find(({ text }) => text.endsWith(inputs.comment)) ??
    ours[0];
  if (!main) return undefined;
  const unmanaged = unmanagedLines(file).filter(({ line: number }) =>
    ours.every((place) => place.line !== number),
  );
  const strays = [...ours.filter((place) => place !== main), ...unmanaged]
    .toSorted((a, b) => a.line - b.line)
    .map(({ line: number, text }) => `${number}: ${text}`);
  const parsed = parseKeyLine(main.text);
  const { command = "", ...options } = parsed?.options ?? {};
  const { key = "(sshd cannot read this line)", comment = "" } = parsed ?? {};
  const state = file.kind === "file" ? `${file.mode} ${file.user}:${file.group}` : file.kind;
  return {
    ...known,
    options,
    command,
    publicKey: key,
    comment,
    line: main.text,
    strays,
    elsewhere,
    file: state,
  };
}

async function look(
  host: Host,
  known: AuthorizedKeyState,
  inputs: AuthorizedKeyInputs,
): Promise<AuthorizedKeyState | undefined> {
  const [places, file] = await Promise.all([
    host.fact(keyPlaces(blobOf(inputs.publicKey) ?? "")),
    host.fact(fileState(inputs.path)),
  ]);
  return keyState(known, inputs, places, file);
}

async function ensure(
  desired: AuthorizedKeyInputs,
  before: string | undefined,
  context: Context,
): Promise<AuthorizedKeyState> {
  const host = await hostOf(desired, context);
  const line = lineOf(desired);
  const foreign = unmanagedLines(await host.fact(fileState(desired.path))).map(({ text }) =>
    blobOf(parseKeyLine(text)?.key ?? ""),
  );
  await edit(host, desired, line, [blobOf(desired.publicKey), before, ...foreign], context);
  const unproved = { ...desired, ...promises, line, proved: false };
  const live = (await look(host, unproved, desired)) ?? unproved;
  // Proved first: once somebody has removed that line, nothing is left to do.
  const state = { ...live, proved: await prove(desired, live, context) };
  if (live.elsewhere.length === 0) return state;
  throw new PartialFailure(state, [
    `${host.name}: the pull key also stands in ${live.elsewhere.join(", ")}, where it may do more than pull. That file is not ours to change: remove that line.`,
  ]);
}

async function edit(
  host: Host,
  { path }: AuthorizedKeyInputs,
  line: string,
  blobs: readonly (string | undefined)[],
  context: Context,
): Promise<void> {
  const keys = [...new Set(blobs.filter((blob) => blob !== undefined))];
  const { code, stderr } = await host.run("key-line", [path, line, ...keys], { signal: context.signal });
  if (code === 0) return;
  throw new UserError(
    `${host.name}: ${path} could not be changed: ${stderr.toString().trim()}.`,
    "Mend that on the host and run `pulumi up` again.",
  );
}

/** The pull key, tried out. Only home has it: a line written from elsewhere is proved by the next `up` at home. */
async function prove(
  desired: AuthorizedKeyInputs,
  live: AuthorizedKeyState,
  context: Context,
): Promise<boolean> {
  if (!desired.proof) return true;
  if (desired.proof.home !== thisHome()) {
    await context.warnOnce(
      "The key lines were written but not proved: only the machine at home has the pull keys.",
    );
    return false;
  }
  context.status("proving the pull key");
  try {
    await proveKey(desired, context.signal);
    return true;
  } catch (error) {
    throw new PartialFailure(live, [describe(error)], { cause: error });
  }
}

/** One line of our authorized_keys file, the only one with its key; proved by a login with the pull key. */
export const authorizedKey: Kind<AuthorizedKeyInputs, AuthorizedKeyState> = {
  inputs: authorizedKeyInputs,
  computed: ["line", "strays", "elsewhere", "file", "proved"],
  promises,
  changing: ["line"],
  id: ({ path, comment }) => `${path}#${comment}`,
  diff: (live, desired) => {
    const compared = ["options", "command", "publicKey", "comment", "strays", "elsewhere", "file", "proved"];
    const found = {
      ...compareConnection(live, desired),
      ...compare(live, { ...desired, ...promises }, compared, ["path"]),
    };
    // The same options in another order are another line: `restrict` takes away what was given before it.
    return Object.keys(found).length === 0 && live.line !== lineOf(desired)
      ? { line: { kind: "UPDATE" } }
      : found;
  },
  create: (desired, context) => ensure(desired, undefined, context),
  read: async (known, inputs, context) =>
    look(await hostOf(inputs, context), { ...known, ...inputs, proved: known.proved }, inputs),
  update: (live, desired, context) => ensure(desired, blobOf(live.publicKey), context),
  remove: async (known, inputs, context) => {
    const host = await hostOf(inputs, context);
    await edit(host, inputs, "", [blobOf(inputs.publicKey), blobOf(known.publicKey)], context);
  },
  leftovers: ({ path, comment }) => `the line "${comment}" of ${path}`,
};
