import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { writeWhole } from "../../../cli/public-file.ts";

test("a file is replaced whole; a link, a folder or a device is refused and stays", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "borgpull-public-"));
  try {
    const file = path.join(folder, "report.html");
    for (const text of ["one", "another"]) {
      writeWhole(file, text, 0o644);
      assert.equal(fs.readFileSync(file, "utf8"), text);
      assert.equal(fs.statSync(file).mode & 0o777, 0o644);
    }
    const link = path.join(folder, "link");
    fs.symlinkSync(file, link);
    for (const other of [link, folder, "/dev/null"]) {
      const before = fs.lstatSync(other).ino;
      assert.throws(
        () => writeWhole(other, "x", 0o644),
        { name: "UserError", message: /no regular file/ },
        other,
      );
      assert.equal(fs.lstatSync(other).ino, before);
    }
    assert.equal(fs.readFileSync(file, "utf8"), "another");
    assert.deepEqual(fs.readdirSync(folder).toSorted(), ["link", "report.html"]);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});
