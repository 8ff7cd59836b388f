/** One cell of the table: come upon the moment, strike, look at what is left, run again, look at what is kept. */
import assert from "node:assert/strict";
import type { Fault } from "./faults.ts";
import { clean, deadSockets } from "./left.ts";
import type { Moment } from "./moments.ts";
import { begin, type Job, limits, type Stage } from "./stage.ts";
import { outcome } from "./table.ts";
import { archives, good, nothingLost, runs } from "./trust.ts";

export interface Cell {
  readonly moment: string;
  readonly come: Moment;
  readonly fault: Fault;
  /** Nothing is left when so much time has passed since the fault. @default 10, or 40 for a silent one */
  readonly withinSeconds?: number;
}

export async function cell(
  stage: Stage,
  job: Job,
  { moment, come, fault, withinSeconds = fault.silent ? 40 : 10 }: Cell,
): Promise<void> {
  const before = good(job);
  using _ = asBefore(job);
  limits(job, { stallSeconds: fault.silent ? 5 : 120 });
  const running = await come(stage, job);
  await fault.strike(stage, job, running);
  const struck = Date.now();
  await running.ended;
  await fault.after?.(stage);
  await clean(stage, [job], withinSeconds - (Date.now() - struck) / 1000);
  const sockets = await deadSockets(stage);
  limits(job, { stallSeconds: 120 });
  await succeeds(job);
  assert.deepEqual(await deadSockets(stage), [], "swept by the run");
  const [, interrupted] = runs(job, 2);
  assert.ok(interrupted);
  await nothingLost(job, before);
  const left = sockets.length > 0 ? " but for a dead socket" : "";
  const seen = `${recorded(job, interrupted.run)}; clean in ${withinSeconds} s${left}; next run good`;
  await outcome(moment, fault.name, seen);
}

/** A cell that fails is not to take the next one with it. */
const asBefore = (job: Job): Disposable => ({
  [Symbol.dispose]: () => {
    job.link.shape = undefined;
    job.link.release();
  },
});

export async function succeeds(job: Job): Promise<void> {
  const { code, text } = await begin(job).ended;
  assert.equal(code, 0, text);
  assert.equal(runs(job, 1)[0]?.outcome, "good");
}

/** How a run stands in home's records, and what came of its archive. */
export function recorded(job: Job, run: string): string {
  const record = runs(job, 10).find((other) => other.run === run);
  const how = record?.failure ? `${record.outcome} (${record.failure.kind})` : `${record?.outcome}`;
  const trusts = archives(job.repository)
    .filter((archive) => archive.run === run)
    .map(({ trust }) => (trust === "partial" ? "a checkpoint is kept" : `its archive is ${trust}`));
  return [how, ...new Set(trusts)].join(", ");
}
