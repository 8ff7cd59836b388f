import assert from "node:assert/strict";
import * as path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { homePaths } from "../../schema/paths.ts";
import { recorded, succeeds } from "./cell.ts";
import { type Disk, mountDisk } from "./disk.ts";
import { clean } from "./left.ts";
import { committed } from "./moments.ts";
import { begin, type Job, openStage, type Stage } from "./stage.ts";
import { outcome } from "./table.ts";
import { good, nothingLost, runs, whole } from "./trust.ts";

let stage: Stage;
let job: Job;
let repositories: Disk;
let state: Disk;

before(async () => {
  stage = await openStage();
  repositories = mountDisk(path.join(stage.folder, "repositories"), "24m");
  state = mountDisk(homePaths().state, "24m");
  job = await stage.job("web1");
  await succeeds(job);
});
after(async () => {
  repositories?.[Symbol.dispose]();
  state?.[Symbol.dispose]();
  await stage?.[Symbol.asyncDispose]();
});
afterEach(() => clean(stage, [job], 20));

/** What a person is told. */
async function fails(says: RegExp): Promise<void> {
  const { code, text } = await begin(job).ended;
  assert.equal(code, 2, text);
  assert.match(text, says);
}

test("the repository's disk fills up in the middle of a pull", async () => {
  const kept = good(job);
  await stage.host.run("head -c 40M /dev/urandom > /srv/big");
  await fails(/disk-full-home.*Make room on this machine, then run it again\./s);
  await nothingLost(job, kept);
  repositories.grow("200m");
  await succeeds(job);
  await nothingLost(job, kept);
  await outcome("the repository's disk fills up in a pull", "the run", "failed (disk-full-home)");
  await outcome("the repository's disk fills up in a pull", "afterwards", "make room, run again: good");
});

test("the repository's disk is full from the beginning", async () => {
  const kept = good(job);
  repositories.fill();
  await stage.host.run("head -c 1M /dev/urandom > /srv/more");
  await fails(/[Mm]ake room/);
  const how = runs(job, 1)[0];
  repositories.empty();
  await succeeds(job);
  await nothingLost(job, kept);
  await outcome("the repository's disk is full", "the run", `${how?.outcome} (${how?.failure?.kind})`);
  await outcome("the repository's disk is full", "afterwards", "make room, run again: good");
});

test("the disk of home's records is full from the beginning", async () => {
  const kept = good(job);
  const before = runs(job, 100).length;
  state.fill();
  await fails(/[Mm]ake room/);
  state.empty();
  assert.equal(runs(job, 100).length, before, "it has not begun");
  await succeeds(job);
  await nothingLost(job, kept);
  await outcome("the disk of home's records is full", "the run", "does not begin, and says why");
  await outcome("the disk of home's records is full", "afterwards", "make room, run again: good");
});

test("the disk of home's records fills up between borg's end and home's record", async () => {
  const kept = good(job);
  const running = await committed(stage, job);
  state.fill();
  job.link.release();
  const { code, text } = await running.ended;
  assert.equal(code, 2, text);
  assert.match(text, /[Mm]ake room/);
  state.empty();
  await succeeds(job);
  const [, full] = runs(job, 2);
  await nothingLost(job, kept);
  await outcome("the disk of home's records fills up in a pull", "the run", recorded(job, full?.run ?? ""));
  await outcome("the disk of home's records fills up in a pull", "afterwards", "make room, run again: good");
});

test("and in the end the repository is whole, with every good archive", () => whole(job));
