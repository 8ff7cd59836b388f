import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, test } from "node:test";
import { borgVersion } from "../../../pull/borg.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "borgpull-version-"));
const { PATH } = process.env;
process.env.BORGPULL_STATE = path.join(folder, "state");
after(() => {
  process.env.PATH = PATH;
  fs.rmSync(folder, { recursive: true });
});
const kept = path.join(folder, "state/borg/version");

test("the version of the package manager's borg is kept for as long as it is the same file", async () => {
  process.env.PATH = "/usr/bin:/bin";
  const version = await borgVersion();
  const [stamp, ...rest] = fs.readFileSync(kept, "utf8").split("\n");
  assert.deepEqual(rest, [version, ""]);
  fs.writeFileSync(kept, `${stamp}\n1.2.99\n`);
  assert.equal(await borgVersion(), "1.2.99", "it was not asked");
  fs.writeFileSync(kept, `another\n1.2.99\n`);
  assert.equal(await borgVersion(), version);
  fs.writeFileSync(kept, "");
  assert.equal(await borgVersion(), version);
});

test("a borg that comes before it on PATH is asked each time", async () => {
  process.env.PATH = `${folder}:/usr/bin:/bin`;
  for (const version of ["1.2.8", "1.4.1"]) {
    fs.writeFileSync(path.join(folder, "borg"), `#!/bin/sh\necho borg ${version}\n`, { mode: 0o755 });
    assert.equal(await borgVersion(), version);
  }
});
