import { type Capabilities, capabilities } from "../../remote/facts/capabilities.ts";
import { UserError } from "../../schema/errors.ts";
import { type PreflightInputs, preflightInputs } from "../../schema/inputs.ts";
import { compareWay } from "../compare.ts";
import type { Context, Diff, Kind } from "../kind.ts";
import { hostOf } from "../place.ts";
import { tryDropIn } from "./sshd-drop-in.ts";

interface PreflightState extends PreflightInputs {
  readonly os: string;
  readonly openssh: string;
  readonly borg: string;
  /** "nc" or "python3": what will connect borg to the forwarded socket. */
  readonly relay: string;
  /** What stands in the way, one sentence each with its remedy. */
  readonly missing: readonly string[];
}

/** "1.9.13p3" is at least 1.9.10. */
function atLeast(version: string, ...wanted: readonly number[]): boolean {
  const have = version.split(".").map(Number.parseFloat);
  for (const [i, want] of wanted.entries()) {
    const part = have[i] ?? 0;
    if (part !== want) return part > want;
  }
  return true;
}

/** What a host lacks for pulls with this privilege; empty when nothing. Told by capability, not by the name of a distribution. */
export function missing(found: Capabilities, privilege: PreflightInputs["privilege"]): string[] {
  const needsSudo = privilege !== "user";
  const checks: readonly (readonly [ok: boolean, sentence: string])[] = [
    [
      found.systemd !== "" && found.booted === "yes",
      "systemd does not run here: borgpull supports hosts booted with systemd only.",
    ],
    [found.openssh !== "", "No OpenSSH server was found: apt-get install openssh-server."],
    [
      found.openssh === "" || atLeast(found.openssh, 8, 4),
      `OpenSSH ${found.openssh} ignores Match in a drop-in: 8.4 or newer is needed, upgrade the system.`,
    ],
    [
      found.include === "yes",
      'sshd_config does not include drop-ins: put "Include /etc/ssh/sshd_config.d/*.conf" at its top, before any Match.',
    ],
    [found.borg !== "", "borg is not installed: apt-get install borgbackup."],
    [
      found.borg === "" || /^1\.[24]\./.test(found.borg),
      `borg ${found.borg} is not supported: install borg 1.2 or 1.4 (Debian 12 and 13 have them).`,
    ],
    [
      !needsSudo || found.sudo !== "",
      'sudo is not installed: apt-get install sudo, or set privilege: "user".',
    ],
    [
      !needsSudo || found.sudo === "" || atLeast(found.sudoVersion, 1, 9, 10),
      `sudo ${found.sudoVersion} takes no regular expressions: 1.9.10 or newer is needed, upgrade it, or set privilege: "user".`,
    ],
    [
      !needsSudo || found.sudo === "" || found.visudo !== "",
      "visudo is not there to check the sudoers file: reinstall sudo.",
    ],
    [
      privilege !== "read-all" || found.setpriv !== "",
      "setpriv is not installed: apt-get install util-linux.",
    ],
    [
      found.nc !== "" || found.python3 !== "",
      "Neither an nc that knows -U and -N nor python3 is there: apt-get install netcat-openbsd.",
    ],
    [found.flock !== "", "flock is not installed: apt-get install util-linux."],
  ];
  return checks.flatMap(([ok, sentence]) => (ok ? [] : [sentence]));
}

function stateOf(inputs: PreflightInputs, found: Capabilities): PreflightState {
  const { os, openssh, borg } = found;
  return {
    ...inputs,
    os,
    openssh,
    borg,
    relay: found.nc ? "nc" : "python3",
    missing: missing(found, inputs.privilege),
  };
}

async function ensure(desired: PreflightInputs, context: Context): Promise<PreflightState> {
  const host = await hostOf(desired, context);
  const state = stateOf(desired, await host.fact(capabilities));
  if (state.missing.length > 0) {
    throw new UserError(
      `${host.name} (${state.os}) cannot be backed up yet, and nothing was changed:`,
      state.missing.join(" "),
    );
  }
  await tryDropIn(host, desired.dropIn);
  return state;
}

const someMissing = (state: PreflightState): Diff =>
  state.missing.length > 0 ? { missing: { kind: "UPDATE" } } : {};

/** Before anything is written: whether the host lets us in as it is to be reached, has what a pull needs, and whether sshd would put the drop-in in force. */
export const preflight: Kind<PreflightInputs, PreflightState> = {
  inputs: preflightInputs,
  computed: ["os", "openssh", "borg", "relay", "missing"],
  promises: { missing: [] },
  changing: ["missing"],
  id: ({ dropIn }) => dropIn.user,
  diff: (live, desired) => ({
    ...compareWay(live, desired),
    ...someMissing(live),
    ...(live.privilege === desired.privilege ? {} : { privilege: { kind: "UPDATE" } }),
  }),
  rehearse: async (desired, context) => void (await ensure(desired, context)),
  create: ensure,
  read: async (known, inputs, context) => {
    const host = await hostOf(inputs, context);
    return { ...known, ...stateOf(inputs, await host.fact(capabilities)) };
  },
  update: (_live, desired, context) => ensure(desired, context),
  remove: async () => {},
  leftovers: () => "nothing",
};
