/** What `borg check --info --log-json` says, taken apart: which of it is a finding, and of which archive. */
import { clean } from "../lines.ts";
import { parseMessage } from "../session/messages.ts";

export interface Findings {
  /** What is wrong with the repository as a whole, in borg's words: the first of it. */
  readonly problem?: string;
  /** Archives with which something is wrong, in borg's order, and the first of that. Names may be a hostile VPS's. */
  readonly archives: readonly { readonly name: string; readonly problem: string }[];
  /** How many archives borg has looked at. */
  readonly looked: number;
}

/** Reads the lines of one check. */
export function complaintReader() {
  const archives = new Map<string, string>();
  let problem: string | undefined;
  let current: string | undefined;
  let looked = 0;
  let indexDiffers = false;
  let unused = false;
  const read = (line: string): void => {
    const message = parseMessage(line);
    if (message?.type !== "log") return;
    const { level, message: text } = message;
    if (level === "info") {
      const name = begins.exec(text)?.[1];
      if (name === undefined) return;
      current = name;
      looked++;
      return;
    }
    const differs = ofIndex.test(text);
    if (differs) indexDiffers = true;
    if (level === "error" && orphans.test(text)) unused = true;
    else if (!differs && (level === "error" ? ends.test(text) : !counts.test(text))) return;
    else if (current === undefined) problem ??= clean(text);
    else if (!archives.has(current)) archives.set(current, clean(text));
  };
  return {
    read,
    /** There is a reason for borg's exit code 1, if only objects that nothing uses. */
    get any(): boolean {
      return unused || problem !== undefined || archives.size > 0;
    },
    /** To borg 1.2 only a reason for a warning (repository.py, check), to 1.4 an error. */
    get indexDiffers(): boolean {
      return indexDiffers;
    },
    /** The archive that borg was looking at when it ended. */
    get current(): string | undefined {
      return current;
    },
    findings: (): Findings => ({
      ...(problem === undefined ? {} : { problem }),
      archives: [...archives].map(([name, problem]) => ({ name, problem })),
      looked,
    }),
  };
}

/** Before what it says of that archive (archive.py, rebuild_refcounts). Nothing else that it says for information ends so, whatever a path is called. */
const begins = /^Analyzing archive (.*) \(\d+\/\d+\)$/s;

/**
 * Objects that no archive uses: borg 1.2 and 1.4 take them for an error (archive.py, orphan_chunks_check), and they are no harm. A run
 * that was cut off leaves them, and a hostile VPS can, so they must not keep a rollback from its end.
 */
const orphans = /^\d+ orphaned objects found!$/;

/** How a check that has found something ends. */
const ends =
  /^Finished \w+ repository check, errors found\.$|^Archive consistency check complete, problems found\.$/;

const ofIndex = /^ID: [0-9a-f]{64} +rebuilt index: /;

/** The other one of borg's warnings for which it ends with 1. */
const counts = /: Missing all-zero replacement chunk detected \(/;
