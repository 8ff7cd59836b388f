import { type FileState, fileState, folderState } from "../../remote/facts/file.ts";
import type { Host } from "../../remote/host.ts";
import { UserError } from "../../schema/errors.ts";
import { type HostFileInputs, hostFileInputs } from "../../schema/inputs.ts";
import { compare, compareConnection } from "../compare.ts";
import { putFile, removeFile } from "../files.ts";
import { type Context, type Kind, PartialFailure } from "../kind.ts";
import { mayTakeFile, takenOver } from "../owner.ts";
import { hostOf, readableHere, requireHome } from "../place.ts";

interface HostFileState extends Omit<HostFileInputs, "folder"> {
  readonly folder?: Partial<Made> | undefined;
  /** "file", or what stands there instead. */
  readonly type: string;
  /** Whether the last activation held; false makes the next `up` activate again. */
  readonly activated: boolean;
}

const wanted = (inputs: HostFileInputs): HostFileState => ({ ...inputs, type: "file", activated: true });

const place = (host: Host, { path }: HostFileInputs): string => `${host.name}: ${path}`;

/** @param recorded whether it is in our state, so ours even when somebody wrote over its header */
async function ensure(desired: HostFileInputs, context: Context, recorded: boolean): Promise<HostFileState> {
  const host = await hostOf(desired, context);
  const now = await host.fact(fileState(desired.path));
  mayTakeFile(place(host, desired), now, desired, recorded);
  await putFile(host, desired, context);
  const failure = await activate(host, desired, context);
  if (failure) throw new PartialFailure({ ...wanted(desired), activated: false }, [failure]);
  return wanted(desired);
}

/** Runs the activation; the sentence of its failure, or undefined. */
async function activate(host: Host, desired: HostFileInputs, context: Context): Promise<string | undefined> {
  if (!desired.activate) return undefined;
  const { code, stderr } = await host.run("run", desired.activate, { signal: context.signal });
  if (code === 0) return undefined;
  const said = stderr.toString().trim() || `exit ${code ?? "none"}`;
  return `${place(host, desired)} is in place, but "${desired.activate.join(" ")}" failed: ${said}. Mend that and run \`pulumi up\` again.`;
}

/** The file and what its activation made, as they are, in the shape of the inputs. */
function live(known: HostFileState, file: FileState, made: Partial<Made> | undefined): HostFileState {
  const { folder: _, ...rest } = known;
  const base = { ...rest, ...(made ? { folder: made } : {}) };
  if (file.kind !== "file")
    return { ...base, type: file.kind === "absent" ? "absent" : `${file.kind} ${file.what}`.trim() };
  const { mode, user, group, content } = file;
  return { ...base, type: "file", mode, user, group, content };
}

type Made = NonNullable<HostFileInputs["folder"]>;

/** The folder and the files that the activation makes, as they are; without mode and owner when the folder is gone. */
async function readMade(host: Host, wanted: Made | undefined): Promise<Partial<Made> | undefined> {
  if (!wanted) return undefined;
  const { path, files } = wanted;
  const [folder, ...states] = await Promise.all([
    host.fact(folderState(path)),
    ...Object.keys(files ?? {}).map(async (name) => {
      const state = await host.fact(fileState(name));
      return [
        name,
        state.kind === "file" ? `${state.mode} ${state.user}:${state.group}` : state.kind,
      ] as const;
    }),
  ]);
  return {
    path,
    ...(folder.kind === "folder" ? { mode: folder.mode, user: folder.user, group: folder.group } : {}),
    ...(files ? { files: Object.fromEntries(states) } : {}),
  };
}

/** One whole file: content, mode and owner; checked before and made effective after it is put in place. */
export const hostFile: Kind<HostFileInputs, HostFileState> = {
  inputs: hostFileInputs,
  computed: ["type", "activated"],
  promises: { type: "file", activated: true },
  id: ({ path }) => path,
  diff: (now, desired) => ({
    ...compareConnection(now, desired),
    ...compare(
      now,
      wanted(desired),
      [
        "type",
        "content",
        "mode",
        "user",
        "group",
        "validate",
        "activate",
        "activated",
        "folder",
        "home",
        "owner",
      ],
      ["path"],
    ),
  }),
  rehearse: async ({ home }) => {
    if (home) requireHome(home);
  },
  create: (desired, context) => ensure(desired, context, false),
  read: async (known, inputs, context) => {
    if (inputs.home && !(await readableHere(inputs.home, context))) return known;
    const host = await hostOf(inputs, context);
    const [file, folder] = await Promise.all([
      host.fact(fileState(inputs.path)),
      readMade(host, inputs.folder),
    ]);
    return file.kind === "absent"
      ? undefined
      : live({ ...known, ...inputs, activated: known.activated }, file, folder);
  },
  update: (_now, desired, context) => ensure(desired, context, true),
  remove: async (_known, inputs, context) => {
    if (inputs.home) requireHome(inputs.home);
    const host = await hostOf(inputs, context);
    const now = await host.fact(fileState(inputs.path));
    const other = takenOver(now, inputs.owner);
    if (other !== undefined) {
      await context.warn(`${place(host, inputs)} now belongs to ${other} and stays.`);
      return;
    }
    await removeFile(host, inputs, context);
    if (!inputs.activate) return;
    const failure = await activate(host, inputs, context);
    if (failure)
      throw new UserError(
        `${place(host, inputs)} is removed, but its activation failed: ${failure}`,
        "Run it again.",
      );
  },
  leftovers: ({ path }) => path,
};
