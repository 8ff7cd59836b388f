import type { FailureKind } from "../result.ts";
import { repositoryLost } from "../trust/config-file.ts";

/** borgctl's own exit codes; its sentence on stderr goes before `problem`. */
export const borgctlFailures: Readonly<
  Record<number, { readonly kind: FailureKind; readonly problem: string; readonly remedy: string }>
> = {
  200: { kind: "command-refused", problem: "borgctl does not know this command", remedy: update() },
  201: { kind: "command-refused", problem: "borgctl refuses this run's name", remedy: update() },
  202: { kind: "forwarding-refused", problem: "no forwarded socket came", remedy: update() },
  203: {
    kind: "passphrase-missing",
    problem: "the passphrase did not arrive",
    remedy: 'sshd needs "AcceptEnv BORG_PASSPHRASE" for this account: run "pulumi up".',
  },
  204: { kind: "connection-lost", problem: "the run was ended on that machine", remedy: "Run it again." },
  205: {
    kind: "vps-settings",
    problem: "its backup settings are being changed",
    remedy: "Run it again when that has ended.",
  },
  206: {
    kind: "sudo-refused",
    problem: "sudo does not let borgctl run its helper",
    remedy: 'Run "pulumi up", which writes the sudoers file; or use privilege "user".',
  },
  207: {
    kind: "no-borg",
    problem: "borg is not installed",
    remedy: "On that machine: apt install borgbackup; or mend the borg that is there.",
  },
  208: {
    kind: "borg-version",
    problem: "this version of borg does not work",
    remedy: "On that machine: apt install borgbackup (1.2 or 1.4), not borgbackup2.",
  },
  209: {
    kind: "no-relay",
    problem: "neither nc nor python3 is there",
    remedy: "On that machine: apt install netcat-openbsd",
  },
  210: { kind: "vps-settings", problem: "the job's settings are missing or not safe", remedy: update() },
  211: {
    kind: "sudo-refused",
    problem: "borg cannot be given the right to read every file",
    remedy: 'On that machine: apt install util-linux; or use privilege "root" or "user".',
  },
  212: {
    kind: "hook-failed",
    problem: "the before hook failed",
    remedy: "Run the hook's command there by hand, as its user; no backup was made.",
  },
  214: {
    kind: "vps-settings",
    problem: "the user of a hook or a dump does not fit",
    remedy: 'Correct that user in the config, then run "pulumi up".',
  },
  215: { kind: "vps-settings", problem: "the key line is not as it should be", remedy: update() },
  216: { kind: "vps-settings", problem: "its lock file is missing", remedy: update() },
  218: {
    kind: "vps-settings",
    problem: "what hooks, dumps and hash need is missing",
    remedy: 'On that machine: apt install python3 borgbackup; then run "pulumi up".',
  },
  219: { kind: "command-refused", problem: "borgctl refuses these paths", remedy: update() },
};

function update(): string {
  return 'Run "pulumi up", which puts borgctl and its files there.';
}

/** borg's own errors: by the name of their class (`msgid` of --log-json, with or without the outer class), then by 1.4's exit codes. */
export const borgFailures: readonly {
  readonly names: readonly string[];
  readonly codes: readonly number[];
  readonly kind: FailureKind;
  /** HOST stands for the VPS. */
  readonly problem: string;
  readonly remedy: string;
}[] = [
  {
    names: ["PassphraseWrong", "NoPassphraseFailure", "PasswordRetriesExceeded"],
    codes: [50, 52, 53],
    kind: "passphrase-wrong",
    problem: "The passphrase is not the repository's.",
    remedy: "Put the right one into the job's passphrase file.",
  },
  {
    names: ["LockTimeout", "LockFailed", "LockError", "LockErrorT"],
    codes: [70, 71, 72, 73],
    kind: "repository-locked",
    problem: "The repository, or borg's cache on HOST, is locked by another borg.",
    remedy: "Wait until that has ended; if none runs, break the lock with borg break-lock.",
  },
  {
    names: [
      "DoesNotExist",
      "InvalidRepository",
      "AtticRepository",
      "ParentPathDoesNotExist",
      "InvalidRepositoryConfig",
    ],
    codes: [11, 13, 15, 16, 18],
    kind: "repository-missing",
    problem: "There is no usable repository at the place that the job names.",
    get remedy() {
      return repositoryLost();
    },
  },
  {
    names: ["StorageQuotaExceeded", "InsufficientFreeSpaceError"],
    codes: [14, 20],
    kind: "disk-full-home",
    problem: "There is no room left for the repository.",
    remedy: "Make room on this machine, then run it again.",
  },
  {
    names: [
      "RepositoryReplay",
      "EncryptionMethodMismatch",
      "RepositoryIDNotUnique",
      "RepositoryAccessAborted",
      "CacheInitAbortedError",
      "TAMRequiredError",
    ],
    codes: [60, 61, 62, 63, 64, 95],
    kind: "repository-refused",
    problem: "borg on HOST does not take this repository for the one that it knows.",
    remedy:
      "If the repository was restored, moved or exchanged, borg's cache and security folders on that machine must be mended; otherwise find out who changed it.",
  },
  {
    names: ["PathNotAllowed", "PathPermissionDenied"],
    codes: [21, 83],
    kind: "repository-refused",
    problem: "borg serve refused what HOST asked for.",
    remedy: "Check that this user may read and write the repository; if so, HOST asked for another one.",
  },
  {
    names: [
      "RPCServerOutdated",
      "InvalidRPCMethod",
      "UnexpectedRPCDataFormatFromServer",
      "UnexpectedRPCDataFormatFromClient",
    ],
    codes: [82, 84, 85, 86],
    kind: "borg-version",
    problem: "borg on HOST and borg at home do not understand each other.",
    remedy: "Install borg 1.2 or 1.4 on both.",
  },
  {
    names: ["ConnectionClosed", "ConnectionClosedWithHint", "ConnectionBrokenWithHint"],
    codes: [80, 81, 87],
    kind: "connection-lost",
    problem: "borg on HOST lost its connection to the repository.",
    remedy: "Run it again, it goes on from its last checkpoint.",
  },
];
