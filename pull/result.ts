/** The shapes of a run's end, shared by everything that runs, records or shows one. */

export type Outcome = "good" | "warning" | "failed" | "tampered";

export interface Archive {
  readonly name: string;
  /** 64 hexadecimal digits. */
  readonly id: string;
}

export interface Figures {
  readonly files: number;
  readonly originalBytes: number;
  readonly compressedBytes: number;
  /** What this archive added to the repository. */
  readonly newBytes: number;
  readonly seconds: number;
}

export type FailureKind =
  | "unreachable"
  | "host-key"
  | "login-refused"
  | "forwarding-refused"
  | "command-refused"
  | "borgctl-missing"
  | "vps-settings"
  | "sudo-refused"
  | "no-borg"
  | "borg-version"
  | "no-relay"
  | "passphrase-missing"
  | "passphrase-wrong"
  | "repository-locked"
  | "repository-missing"
  | "repository-refused"
  | "disk-full-home"
  | "disk-full-vps"
  | "hook-failed"
  | "connection-lost"
  | "stalled"
  | "timed-out"
  | "cancelled"
  | "borg-error"
  | "not-verified"
  | "forbidden-request"
  | "tampered"
  | "bug";

/** Why a run failed: one sentence of cause, one of remedy. */
export interface Failure {
  readonly kind: FailureKind;
  readonly problem: string;
  readonly remedy: string;
}

export interface RunResult {
  readonly run: string;
  readonly outcome: Outcome;
  readonly archive?: Archive;
  readonly figures?: Figures;
  readonly failure?: Failure;
  readonly warnings: readonly string[];
  /** Names of the dumps that are not whole in the archive; left out when all are. */
  readonly failedDumps?: readonly string[];
  /** While a breach is open, of this run or of an earlier one: what it is, and what to do. */
  readonly breach?: string;
}
