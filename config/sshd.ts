/** What sshd must grant and refuse the account of an instance; each keyword is legal in a Match block from OpenSSH 8.4 on. */
import { vpsPaths } from "../schema/paths.ts";
import type { Problem } from "./problems.ts";

/** The settings of our own, in the order written. */
function ownSettings(instance: string): Readonly<Record<string, string>> {
  return {
    AuthorizedKeysFile: vpsPaths(instance).authorizedKeys,
    AuthenticationMethods: "publickey",
    PubkeyAuthentication: "yes",
    // in a Match block these replace the machine's own lists, for this account alone
    AllowUsers: instance,
    AllowGroups: instance,
    // a machine-wide ForceCommand or chroot would beat the key line's command
    ForceCommand: "none",
    ChrootDirectory: "none",
    DisableForwarding: "no",
    // AllowTcpForwarding no would refuse the unix socket too (channels.c, remote_open_match)
    AllowTcpForwarding: "remote",
    AllowStreamLocalForwarding: "remote",
    PermitListen: "none",
    PermitOpen: "none",
    StreamLocalBindUnlink: "yes",
    StreamLocalBindMask: "0177",
    AcceptEnv: "BORG_PASSPHRASE",
    PermitTTY: "no",
    PermitUserRC: "no",
    X11Forwarding: "no",
    AllowAgentForwarding: "no",
    MaxSessions: "2",
    ClientAliveInterval: "30",
    ClientAliveCountMax: "6",
    // at DEBUG2 and above sshd writes the passphrase into its log (session.c, "Setting env")
    LogLevel: "INFO",
  };
}

type Extra = Readonly<Record<string, string | number | boolean>>;

/** sshd keyword -> value for an instance's account: ours, then what the person adds. */
export function sshdSettings(instance: string, extra: Extra = {}): Readonly<Record<string, string>> {
  const added = Object.entries(extra).map(([keyword, value]) => [keyword, sshdValue(value)] as const);
  return { ...ownSettings(instance), ...Object.fromEntries(added) };
}

/** YAML makes true and false of what sshd writes yes and no. */
const sshdValue = (value: string | number | boolean): string =>
  typeof value === "boolean" ? (value ? "yes" : "no") : String(value).trim();

const otherKeys = "it would let in keys that borgpull does not know";
const otherWay = "it would end or leave the account's Match block";
const secrets = "it would put settings of others into a backup's environment";

/** Lower case keyword -> why it cannot be allowed. What is merely wrong is left to `sshd -t`. */
const refused: Readonly<Record<string, string>> = {
  match: otherWay,
  include: otherWay,
  authorizedkeyscommand: otherKeys,
  authorizedkeyscommanduser: otherKeys,
  authorizedprincipalsfile: otherKeys,
  authorizedprincipalscommand: otherKeys,
  authorizedprincipalscommanduser: otherKeys,
  trustedusercakeys: otherKeys,
  setenv: secrets,
  permituserenvironment: secrets,
  denyusers: "it would keep the account out",
  denygroups: "it would keep the account out",
};

/** What is wrong with the extra settings of a host, each under its keyword, without asking sshd. */
export function checkExtra(extra: Extra): readonly Problem[] {
  const ours = new Map(
    Object.keys(ownSettings("borgpull")).map((keyword) => [keyword.toLowerCase(), keyword]),
  );
  const seen = new Map<string, string>();
  return Object.entries(extra).flatMap(([keyword, value]): readonly Problem[] => {
    const lower = keyword.toLowerCase();
    const twin = seen.get(lower);
    seen.set(lower, keyword);
    const own = ours.get(lower);
    const reason = reasonAgainst(lower, value);
    if (own !== undefined)
      return [{ path: keyword, problem: `${own} is a setting of borgpull's own.`, remedy: "Leave it out." }];
    if (reason !== undefined)
      return [{ path: keyword, problem: `not allowed: ${reason}.`, remedy: "Leave it out." }];
    if (twin !== undefined)
      return [{ path: keyword, problem: `the same keyword as ${twin}.`, remedy: "Keep one." }];
    return [];
  });
}

function reasonAgainst(keyword: string, value: string | number | boolean): string | undefined {
  if (!/^[a-z0-9]+$/.test(keyword)) return "it is not an sshd keyword";
  const text = sshdValue(value);
  if (text === "" || /[\0\r\n#]/.test(text)) return "its value must be one line, without #";
  return refused[keyword];
}
