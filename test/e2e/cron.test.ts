import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { test } from "node:test";
import { planned } from "./plan.ts";
import { openProgram } from "./program.ts";

test("where systemd does not run the line for cron is told, it works, and nothing is a difference", {
  skip: fs.existsSync("/run/systemd/system") && "systemd runs on this machine",
}, async () => {
  await using program = await openProgram([{ name: "web1", base: "debian12", login: "root" }]);
  await program.configure({ web1: program.entry("web1", { schedule: "Mon..Fri 03:15", pull: "never" }) });
  const { code, out } = await program.up();
  assert.equal(code, 0, out);
  const line = /web1: systemd does not run at home.*\(crontab -e\): (.*)/.exec(out)?.[1] ?? out;
  assert.match(line, /^15 3 \* \* 1-5 BORGPULL_CONFIG='/);
  // cron's own shell and its poor environment
  const command = line.split(" ").slice(5).join(" ");
  const said = execFileSync("/bin/sh", ["-c", command], {
    env: { HOME: "/root", PATH: "/usr/bin:/bin" },
    encoding: "utf8",
  });
  assert.match(said, /^web1: good, /m);
  const preview = await program.preview({ env: { BORGPULL_PULL: "never" } });
  assert.deepEqual(planned(preview.out), []);
  assert.equal((await program.destroy()).code, 0);
});
