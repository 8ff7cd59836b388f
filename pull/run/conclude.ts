import type { Ending } from "../ledger.ts";
import type { Failure } from "../result.ts";
import type { Verdict } from "../session/classify.ts";
import { breachRemedy, describeBreach } from "../trust/describe.ts";
import type { GateResult } from "../trust/gate.ts";

/** What came of a run: what the VPS says of it counts only as far as the repository bears it out. */
export function conclude(
  { job, run, host }: { readonly job: string; readonly run: string; readonly host: string },
  verdict: Verdict,
  looked: GateResult | Failure,
): Ending {
  const { warnings } = verdict;
  if ("problem" in looked) {
    return verdict.outcome === "failed"
      ? { ...verdict, warnings: [...warnings, looked.problem] }
      : { outcome: "failed", failure: looked, warnings };
  }
  const { breach, own, unlisted } = looked;
  const archive = own ? { archive: { id: own.id, name: own.name } } : {};
  if (breach) {
    const failure: Failure = {
      kind: "tampered",
      problem: describeBreach(breach),
      remedy: breachRemedy(job),
    };
    const said = verdict.outcome === "failed" ? [verdict.failure.problem] : [];
    return { outcome: "tampered", failure, warnings: [...warnings, ...said], ...archive };
  }
  if (verdict.outcome === "failed") return { ...verdict, ...archive };
  const { outcome, report, failedDumps } = verdict;
  const failed = (problem: string, remedy: string): Ending => ({
    outcome: "failed",
    failure: { kind: "not-verified", problem, remedy },
    warnings,
    ...archive,
  });
  const name = `${job}-${run}`;
  const findOut = "Find out what happened on that machine.";
  if (!own && unlisted) {
    return failed(
      `Home cannot list the archives of ${job} to see whether that of this run is there.`,
      breachRemedy(job),
    );
  }
  if (!own) return failed(`${host} reported a backup, and the repository has no archive ${name}.`, findOut);
  if (own.id !== report.id || report.name !== name) {
    return failed(`The archive ${name} is another one than ${host} reported.`, findOut);
  }
  if (own.trust !== "good") {
    return failed(
      `borg's check of the archive ${name} found: ${own.problem ?? "nothing, and it is not confirmed"}.`,
      "Run it again; if it stays, borg's cache on that machine is wrong: remove it there.",
    );
  }
  const dumps = failedDumps.length > 0 ? { failedDumps } : {};
  return { outcome, figures: report.figures, warnings, ...dumps, ...archive };
}
