import { folderState } from "../../remote/facts/file.ts";
import { userState } from "../../remote/facts/user.ts";
import { UserError } from "../../schema/errors.ts";
import { type HostUserInputs, hostUserInputs } from "../../schema/inputs.ts";
import { compare, compareConnection } from "../compare.ts";
import type { Context, Kind } from "../kind.ts";
import { mayTake } from "../owner.ts";
import { hostOf } from "../place.ts";

interface HostUserState extends HostUserInputs {
  /** "*": no password, and not locked either (an sshd without PAM refuses a locked account). */
  readonly password: string;
  /** Groups besides its own: none. */
  readonly groups: readonly string[];
  /** Mode and owner of its home. */
  readonly folderState: string;
}

/** Exit code of account.sh: somebody else's group or folder is in the way. */
const inTheWay = 77;
const gecos = (owner: string): string => `borgpull ${owner}`;
const ownerOf = (text: string): string | undefined => /^borgpull (\S+)/.exec(text)?.[1];
const wanted = (inputs: HostUserInputs): HostUserState => ({
  ...inputs,
  password: "*",
  groups: [],
  folderState: `0700 ${inputs.name}:${inputs.name}`,
});

/** @param recorded whether it is in our state, so ours even when somebody changed its GECOS */
async function ensure(desired: HostUserInputs, context: Context, recorded: boolean): Promise<HostUserState> {
  const host = await hostOf(desired, context);
  const now = await host.fact(userState(desired.name));
  if (now.kind === "user") {
    const found = ownerOf(now.gecos);
    mayTake(`${host.name}: the account ${desired.name}`, found, desired.owner, desired.adopt || recorded);
  }
  const { name, folder, shell, owner, adopt = false } = desired;
  const result = await host.run(
    "account",
    ["ensure", name, folder, shell, gecos(owner), adopt ? "yes" : "no"],
    { signal: context.signal },
  );
  if (result.code === inTheWay)
    mayTake(`${host.name}: ${result.stderr.toString().trim()}`, undefined, owner, adopt);
  if (result.code !== 0) {
    throw new UserError(
      `${host.name}: the account ${name} could not be made: ${result.stderr.toString().trim()}.`,
      "Mend that on the host and run `pulumi up` again.",
    );
  }
  return wanted(desired);
}

/** A system account for pulls: no password, no other groups; its home holds borg's cache and nothing to protect. */
export const hostUser: Kind<HostUserInputs, HostUserState> = {
  inputs: hostUserInputs,
  computed: ["password", "groups", "folderState"],
  promises: { password: "*", groups: [] },
  id: ({ name }) => name,
  diff: (live, desired) => ({
    ...compareConnection(live, desired),
    ...compare(
      live,
      wanted(desired),
      ["owner", "shell", "folder", "password", "groups", "folderState"],
      ["name"],
    ),
  }),
  rehearse: async (desired, context) => {
    const host = await hostOf(desired, context);
    const now = await host.fact(userState(desired.name));
    const found = now.kind === "user" ? ownerOf(now.gecos) : undefined;
    if (found !== undefined)
      mayTake(`${host.name}: the account ${desired.name}`, found, desired.owner, false);
  },
  create: (desired, context) => ensure(desired, context, false),
  read: async (known, inputs, context) => {
    const host = await hostOf(inputs, context);
    const [now, home] = await Promise.all([
      host.fact(userState(inputs.name)),
      host.fact(folderState(inputs.folder)),
    ]);
    if (now.kind === "absent") return undefined;
    const { folder, shell, password, groups } = now;
    return {
      ...known,
      owner: ownerOf(now.gecos) ?? "(none)",
      folder,
      shell,
      password,
      groups,
      folderState: home.kind === "folder" ? `${home.mode} ${home.user}:${home.group}` : home.kind,
    };
  },
  update: (_live, desired, context) => ensure(desired, context, true),
  remove: async (_known, inputs, context) => {
    const host = await hostOf(inputs, context);
    const now = await host.fact(userState(inputs.name));
    if (now.kind === "absent") return;
    if (ownerOf(now.gecos) !== inputs.owner) {
      await context.warn(
        `${host.name}: the account ${inputs.name} is no longer ours (${now.gecos}) and stays.`,
      );
      return;
    }
    const result = await host.run("account", ["remove", inputs.name, inputs.folder, `/run/${inputs.name}`]);
    if (result.code === 0) return;
    throw new UserError(
      `${host.name}: the account ${inputs.name} could not be removed: ${result.stderr.toString().trim()}.`,
      "End what runs under it and run `pulumi destroy` again.",
    );
  },
  leftovers: ({ name, folder }) => `the account ${name} and ${folder}`,
};
