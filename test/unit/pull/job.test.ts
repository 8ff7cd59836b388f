import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { parseJobFile, readJobFile } from "../../../pull/job.ts";
import { readPassphrase } from "../../../pull/passphrase.ts";
import { UserError } from "../../../schema/errors.ts";
import { jobData } from "../../job-file.ts";

const dir = fs.mkdtempSync(path.join(os.tmpdir(), "job-"));
test.after(() => fs.rmSync(dir, { recursive: true }));

const job = jobData({ repository: "/srv/web1", passphraseFile: "/p" });

function write(name: string, text: string, mode: number): string {
  const file = path.join(dir, name);
  fs.writeFileSync(file, text);
  fs.chmodSync(file, mode);
  return file;
}

test("a job file is read", () => {
  assert.deepEqual(readJobFile(write("good", JSON.stringify(job), 0o644)), job);
});

test("a job file that others may write is refused: they would choose who gets the passphrase", () => {
  for (const mode of [0o664, 0o646]) {
    assert.throws(() => readJobFile(write("open", JSON.stringify(job), mode)), /chmod go-w/);
  }
});

test("a newer version is refused with what to do, whatever else is new in it", () => {
  assert.throws(
    () => parseJobFile({ version: 2, things: [] }, "web1.json"),
    /version 2.*newer borgpull.*Update/,
  );
});

test("what is wrong is named by its path", () => {
  const wrong = { ...job, pull: { ...job.pull, hostKeys: [] }, extra: 1 };
  assert.throws(
    () => parseJobFile(wrong, "web1.json"),
    (error) =>
      error instanceof UserError && /pull\.hostKeys/.test(error.problem) && /extra/.test(error.problem),
  );
  assert.throws(() => readJobFile(write("text", "hello", 0o600)), /not JSON/);
});

test("a job that is not there is told by its name, with the one that may be meant, else with those that there are", () => {
  const jobs = fs.mkdtempSync(path.join(dir, "jobs-"));
  const told = (name: string) => {
    try {
      readJobFile(path.join(jobs, `${name}.json`));
    } catch (error) {
      return (error as UserError).message;
    }
  };
  assert.match(told("shop") ?? "", /^No job is declared on this machine .* "Without borgpull"/);
  const names = ["shop", ...Array.from({ length: 11 }, (_, index) => `web${10 + index}`)];
  for (const name of names) fs.writeFileSync(path.join(jobs, `${name}.json`), "{}");
  assert.equal(told("shpo"), 'There is no job "shpo" on this machine. Did you mean shop?');
  assert.match(
    told("files") ?? "",
    /^There is no job "files" on this machine\. There are: shop, web10, .*web18, and 2 more\./,
  );
});

test("a passphrase is one line; its last newline is not part of it, its blanks are", () => {
  assert.equal(readPassphrase(write("p1", " a b \n", 0o600)), " a b ");
  assert.equal(readPassphrase(write("p2", "x", 0o400)), "x");
});

test("a passphrase file that will not do is refused, and never quoted", () => {
  const bad = [
    ["s3cret\n", 0o640],
    ["s3cret\nmore\n", 0o600],
    ["", 0o600],
    ["\n", 0o600],
    ["s3cret\0", 0o600],
    ["s3cret".repeat(200), 0o600],
  ] as const;
  for (const [text, mode] of bad) {
    assert.throws(
      () => readPassphrase(write("bad", text, mode)),
      (error) => error instanceof UserError && !error.message.includes("s3cret"),
    );
  }
});
