import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { test } from "node:test";
import { planned } from "./plan.ts";
import { openProgram } from "./program.ts";

test("where systemd does not run the lines for cron are told, they work, and nothing is a difference", {
  skip: fs.existsSync("/run/systemd/system") && "systemd runs on this machine",
}, async () => {
  await using program = await openProgram([{ name: "web1", base: "debian12", login: "root" }]);
  const job = { schedule: "Mon..Fri 03:15", pull: "never", audit: false };
  await program.configure({ web1: program.entry("web1", job) });
  const { code, out } = await program.up();
  assert.equal(code, 0, out);
  const lineOf = (name: string) =>
    new RegExp(`${name}: systemd does not run at home.*\\(crontab -e\\): (.*)`).exec(out)?.[1] ?? out;
  assert.match(lineOf("web1"), /^15 3 \* \* 1-5 BORGPULL_CONFIG='/);
  assert.match(lineOf("watch"), /^0 \* \* \* \* BORGPULL_CONFIG='.* watch --owner [\w/-]+$/);
  // cron's own shell and its poor environment
  const call = (name: string) =>
    execFileSync("/bin/sh", ["-c", lineOf(name).split(" ").slice(5).join(" ")], {
      env: { HOME: "/root", PATH: "/usr/bin:/bin" },
      encoding: "utf8",
    });
  assert.match(call("web1"), /^web1: good, /m);
  assert.equal(call("watch"), "");
  const preview = await program.preview({ env: { BORGPULL_PULL: "never" } });
  assert.deepEqual(planned(preview.out), []);
});
