/** What home itself, or a person, does to a repository between two gates. */
import { UserError } from "../../schema/errors.ts";
import type { JobFile } from "../../schema/job-file.ts";
import type { Ledger, Operation } from "../ledger.ts";
import { describeAttended } from "./attended.ts";
import type { Judgement } from "./judge.ts";

/** What home itself had begun and not ended: no session was served since, because each begins with a gate. */
export function homesOwn({ job }: JobFile, operations: readonly Operation[]): HomesOwn | undefined {
  if (operations.some(({ kind }) => kind === "passphrase")) {
    throw new UserError(
      `A change of the passphrase of ${job} was begun and not ended.`,
      `Run "borgpull passphrase ${job}" again: it goes on where it was.`,
    );
  }
  if (operations.some(({ kind }) => kind === "rollback")) {
    throw new UserError(
      `A rollback of ${job} was begun and not ended.`,
      `Run "borgpull rollback ${job}" again: it goes on where it was.`,
    );
  }
  return operations.find(
    (operation) =>
      operation.kind === "prune" || operation.kind === "compact" || operation.kind === "attended",
  );
}

export type HomesOwn = Extract<Operation, { kind: "prune" | "compact" | "attended" }>;

/** Ends what home had begun: the gate after a prune does, and the first one after a crash. What may be half done is done anew. */
export function endOwn(
  { job, ledger }: { readonly job: JobFile; readonly ledger: Ledger },
  operation: HomesOwn,
  { appeared, gone }: Pick<Judgement, "appeared" | "gone">,
): void {
  if (operation.kind === "attended") {
    ledger.endOperation(operation.number, "done");
    ledger.note(job.job, "attended", describeAttended(operation.what, { appeared, gone }));
    return;
  }
  if (operation.kind === "compact") {
    ledger.endOperation(operation.number, "failed");
    return;
  }
  const removed = operation.archives.filter(({ id }) => gone.some((archive) => archive.id === id));
  const all = removed.length === operation.archives.length;
  ledger.endOperation(operation.number, all ? "done" : "failed");
  const text = `${removed.length} archive(s) removed`;
  ledger.note(
    job.job,
    "prune",
    all ? text : `${text} of ${operation.archives.length} that were to go, then it was interrupted`,
  );
}
