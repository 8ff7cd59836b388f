/** What home must never lose, and never wrongly say. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { checkRepository, listArchives, repositoryId, restoreFile } from "../../pull/borg.ts";
import { type ArchiveRecord, openLedger, type RunRecord } from "../../pull/ledger.ts";
import { homePaths } from "../../schema/paths.ts";
import { type Job, witness } from "./stage.ts";

/** The archives that home has recorded as good and as there. */
export function good({ repository }: Job): readonly ArchiveRecord[] {
  return archives(repository).filter(({ trust, gone }) => trust === "good" && !gone);
}

export function archives(repository: string): readonly ArchiveRecord[] {
  using ledger = openLedger(homePaths().stateDb);
  return ledger.archives(repositoryId(repository) as string);
}

/** The youngest runs first. */
export function runs(job: Job, count: number): readonly RunRecord[] {
  using ledger = openLedger(homePaths().stateDb);
  return ledger.runs(job.name, count);
}

/** Every archive that was good is there, the newest gives back what it holds, and no alarm was ever given; `whole` asks all of them. */
export async function nothingLost(job: Job, before: readonly ArchiveRecord[]): Promise<void> {
  const now = new Map(good(job).map((archive) => [archive.id, archive]));
  const removed = new Set(
    archives(job.repository)
      .filter(({ gone }) => gone?.why === "pruned")
      .map(({ id }) => id),
  );
  const lost = before.filter(({ id }) => !now.has(id) && !removed.has(id));
  assert.deepEqual(lost, [], "recorded as good, and no more");
  await extracts(job, [...now.values()], 1);
  noAlarm();
}

/** All are in the repository, and the newest of them, or all, give back what they hold. */
export async function extracts(
  job: Job,
  wanted: readonly ArchiveRecord[],
  newest = Number.POSITIVE_INFINITY,
): Promise<void> {
  const access = { repository: job.repository, passphraseFile: homePaths().passphrase(job.name) };
  const listed = new Set((await listArchives(access)).map(({ id }) => id));
  assert.deepEqual(
    wanted.filter(({ id }) => !listed.has(id)),
    [],
    "recorded as good, and not in the repository",
  );
  const tried = wanted.toSorted((a, b) => b.seen - a.seen).slice(0, newest);
  for (const archive of tried) {
    const to = fs.mkdtempSync(path.join(os.tmpdir(), "borgpull-restore-"));
    try {
      const file = await restoreFile({ ...access, archive: archive.name, path: witness.path, to });
      assert.equal(fs.readFileSync(file, "utf8"), witness.text);
    } finally {
      fs.rmSync(to, { recursive: true, force: true });
    }
  }
}

/** borg's own full check finds nothing, and every good archive gives back what it holds. */
export async function whole(job: Job): Promise<void> {
  await extracts(job, good(job));
  const access = { repository: job.repository, passphraseFile: homePaths().passphrase(job.name) };
  assert.equal(await checkRepository(access), undefined);
}

/** Neither now nor before, decided on or not. */
export function noAlarm(): void {
  const database = new DatabaseSync(homePaths().stateDb, { readOnly: true });
  try {
    assert.deepEqual(database.prepare("SELECT * FROM breaches").all(), [], "a false alarm");
  } finally {
    database.close();
  }
}
