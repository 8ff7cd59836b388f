import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { type Ledger, openLedger } from "../../../pull/ledger.ts";
import { asRecorded } from "../../../pull/trust/as-recorded.ts";

const id = "ab".repeat(32);
let folder: string;
let repository: string;
let ledger: Ledger;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "borgpull-as-recorded-"));
  repository = path.join(folder, "web1");
  ledger = openLedger(path.join(folder, "state.db"));
  fs.mkdirSync(repository);
  fs.writeFileSync(path.join(repository, "config"), `[repository]\nversion = 1\nid = ${id}\n`);
  ledger.begin("r1", "web1");
  ledger.finish("r1", { outcome: "good", warnings: [] });
  ledger.setMark(id, { segment: 7, config: "00", why: "run" });
  committed(7);
});

afterEach(() => {
  ledger[Symbol.dispose]();
  fs.rmSync(folder, { recursive: true });
});

/** As borg leaves it: one index, named after the last committed segment. */
function committed(segment: number): void {
  for (const name of fs.readdirSync(repository)) {
    if (name.startsWith("index.")) fs.rmSync(path.join(repository, name));
  }
  fs.writeFileSync(path.join(repository, `index.${segment}`), "");
}

const is = () => asRecorded(ledger, "web1", repository);

test("as the last run left it, a repository is as recorded", () => assert.equal(is(), true));

test("what somebody has committed since, or put back an older copy of, is not", () => {
  for (const segment of [8, 6]) {
    committed(segment);
    assert.equal(is(), false, `segment ${segment}`);
  }
});

test("a repository that is gone, or another one in its place, is not", () => {
  fs.writeFileSync(path.join(repository, "config"), `[repository]\nid = ${"cd".repeat(32)}\n`);
  assert.equal(is(), false);
  fs.rmSync(repository, { recursive: true });
  assert.equal(is(), false);
});

test("while home itself is at work its records are behind, and that is no difference", () => {
  committed(9);
  const prune = ledger.beginOperation("web1", { kind: "prune", archives: [] });
  assert.equal(is(), true);
  ledger.endOperation(prune, "done");
  assert.equal(is(), false);
  ledger.begin("r2", "web1");
  assert.equal(is(), true);
});
