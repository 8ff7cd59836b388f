import assert from "node:assert/strict";
import { test } from "node:test";
import { versionsApart } from "../../../pull/versions.ts";

const apart = (vps: string | undefined, jobFile: string | undefined) =>
  versionsApart({ host: "web1", vps, jobFile, here: "0.2.0" });

test("a VPS or a job file of another version is told of, with what to do", () => {
  assert.equal(apart("0.1.0", "0.1.0"), 'web1 has borgpull 0.1.0, this is 0.2.0: run "pulumi up".');
  assert.equal(apart("0.2.0", "0.1.0"), 'borgpull 0.1.0 wrote the job file, this is 0.2.0: run "pulumi up".');
});

test("one version everywhere is nothing to tell, nor is what is not known", () => {
  assert.equal(apart("0.2.0", "0.2.0"), undefined);
  assert.equal(apart(undefined, undefined), undefined);
});
