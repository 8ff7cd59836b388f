import { after, test } from "node:test";
import { cell, succeeds } from "./cell.ts";
import { all } from "./faults.ts";
import type { Moment } from "./moments.ts";
import { type Job, openStage, type Stage } from "./stage.ts";
import { whole } from "./trust.ts";

export interface OneJob {
  readonly stage: Stage;
  readonly job: Job;
}

/** A stage with one job, pulled once and well. It is closed after the file's tests. */
export async function oneJob(): Promise<OneJob> {
  const stage = await openStage();
  after(() => stage[Symbol.asyncDispose]());
  const job = await stage.job("web1");
  await succeeds(job);
  return { stage, job };
}

/** A row of the table: each fault at one moment, one after the other on the same repository. */
export function everyFault({ stage, job }: OneJob, moment: string, come: Moment): void {
  for (const fault of all) {
    test(`${moment}: ${fault.name}`, () => cell(stage, job, { moment, come, fault }));
  }
  test("and in the end the repository is whole, with every good archive", () => whole(job));
}
