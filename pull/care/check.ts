import { UserError } from "../../schema/errors.ts";
import { type BorgCheck, checkAs, type Findings } from "../borg.ts";
import type { ArchiveRecord, CheckDetail } from "../ledger.ts";
import { clean } from "../lines.ts";
import { bytes, count } from "../quantities.ts";
import { dataBytes } from "../segments/files.ts";
import { readConfig } from "../trust/config-file.ts";
import { gate } from "../trust/gate.ts";
import { confirm } from "./confirm.ts";
import type { CareOptions } from "./prune.ts";

export interface Checked {
  readonly kind: BorgCheck;
  readonly outcome: "good" | "failed";
  readonly detail: CheckDetail;
  /** Names of archives that were unconfirmed, and are good now. */
  readonly confirmed: readonly string[];
}

/** While it is done. */
export const checkSteps: Readonly<Record<BorgCheck, string>> = {
  repository: "checking the repository",
  archives: "checking the archives",
  data: "checking all data",
};

/**
 * Lets borg check a repository, changes nothing of it, and records what came of it. From a failed check on nothing is pruned or
 * compacted until one of the same kind is good (care/sound.ts).
 * @param options.onProgress told a share from 0 to 1
 * @throws UserError when borg cannot tell: a lock, the disk; then nothing is known, and the verdict before it holds
 */
export async function check(
  options: CareOptions & { readonly kind: BorgCheck; readonly onProgress?: (share: number) => void },
): Promise<Checked> {
  const { job, ledger, kind, signal, onProgress } = options;
  await gate({ job, ledger, ...(signal ? { signal } : {}) });
  const number = ledger.beginCheck(job.job, kind);
  try {
    const findings = await checkAs(kind, {
      repository: job.repository,
      passphraseFile: job.passphraseFile,
      lockWaitSeconds: job.limits.lockWaitSeconds,
      ...(signal ? { signal } : {}),
      ...(onProgress ? { onProgress } : {}),
    });
    const known = ledger.archives(readConfig(job.repository, job.job).id);
    const { outcome, detail } = verdict(kind, findings, { known, bytes: dataBytes(job.repository) });
    ledger.atomically(() => {
      ledger.endCheck(number, outcome, detail);
      if (outcome === "failed") ledger.note(job.job, "check", detail.problem ?? kind);
    });
    const confirmed = outcome === "good" && kind !== "repository" ? await confirm(options, kind) : [];
    return { kind, outcome, detail, confirmed };
  } catch (error) {
    const problem = signal?.aborted
      ? "It was cancelled."
      : error instanceof UserError
        ? error.problem
        : String(error);
    ledger.endCheck(number, "ended", { problem });
    throw error;
  }
}

/**
 * What borg's findings mean. Archives that home does not count as good anyway, such as one that was accepted with holes, fail no check:
 * nobody relies on them, and a VPS can make one at any time.
 */
export function verdict(
  kind: BorgCheck,
  { problem, archives, looked }: Findings,
  facts: { readonly known: readonly ArchiveRecord[]; readonly bytes: number },
): Pick<Checked, "outcome" | "detail"> {
  if (problem !== undefined) {
    return { outcome: "failed", detail: { problem: `borg found: ${clean(problem).replace(/\.$/, "")}.` } };
  }
  const doubtful = new Set(
    facts.known.flatMap(({ name, trust, gone }) => (!gone && doubted.includes(trust) ? [name] : [])),
  );
  const [first, ...more] = archives.filter(({ name }) => !doubtful.has(name));
  if (first) {
    const names = [first, ...more].slice(0, 3).map(({ name }) => clean(name, 60));
    const which = `${names.join(", ")}${more.length > 2 ? ", ..." : ""}`;
    const found = `${more.length + 1} of ${looked} archives not whole (${which}); borg says: ${clean(first.problem, 300)}`;
    return { outcome: "failed", detail: { problem: `${found.replace(/\.$/, "")}.` } };
  }
  const parts = [
    ...(kind === "archives" ? [] : [bytes(facts.bytes)]),
    ...(kind === "repository" ? [] : [looked === 1 ? "1 archive" : `${count(looked)} archives`]),
    ...(archives.length > 0 ? [`${archives.length} not whole, which do not count as good`] : []),
  ];
  return { outcome: "good", detail: { summary: parts.join(", ") } };
}

const doubted: readonly ArchiveRecord["trust"][] = ["unconfirmed", "partial", "foreign"];
