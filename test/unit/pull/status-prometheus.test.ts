import assert from "node:assert/strict";
import { test } from "node:test";
import { openLedger } from "../../../pull/ledger.ts";
import { escapeLabel } from "../../../pull/status/prometheus.ts";
import { fleet, jobNames, prometheusText } from "../../../pull/status.ts";
import { homePaths } from "../../../schema/paths.ts";
import { hour, makeFleet } from "../../fleet.ts";

const now = new Date(2026, 10, 23, 12).getTime();

function sixJobs(): string {
  using _home = makeFleet(now);
  using ledger = openLedger(homePaths().stateDb);
  return prometheusText(fleet(jobNames(), ledger, now));
}

test("the metrics of six jobs are of the text format: HELP, TYPE, then the samples of that name together", () => {
  const text = sixJobs();
  assert.ok(text.endsWith("\n"));
  const seen = new Set<string>();
  let family: string | undefined;
  for (const line of text.trimEnd().split("\n")) {
    const [, kind, name] = /^# (HELP|TYPE) ([a-z_]+) \S/.exec(line) ?? [];
    if (kind === "HELP") {
      assert.ok(name !== undefined && !seen.has(name), `${name} comes twice`);
      seen.add(name);
      family = name;
    } else if (kind === "TYPE") assert.equal(line, `# TYPE ${family} gauge`);
    else {
      const sample = /^([a-z_]+)\{job="[a-z0-9-]+"(?:,[a-z]+="[a-z]+")?\} (?:\d+(?:\.\d+)?)$/.exec(line);
      assert.equal(sample?.[1], family, line);
    }
  }
  assert.ok(seen.size > 10);
});

test("a job's state is 1 for one of its states and 0 for the others; times are moments and not ages", () => {
  const lines = sixJobs().split("\n");
  const states = lines.filter((line) => line.startsWith('borgpull_state{job="mail"'));
  assert.equal(states.length, 6);
  assert.deepEqual(
    states.filter((line) => !line.endsWith(" 0")),
    ['borgpull_state{job="mail",state="tampered"} 1'],
  );
  const last = lines.find((line) => line.startsWith('borgpull_last_good_timestamp_seconds{job="db1"}'));
  const seconds = Number(last?.split(" ")[1]);
  assert.ok(seconds > (now - 10 * hour) / 1000 && seconds < now / 1000, last);
  assert.ok(lines.includes('borgpull_tampered{job="mail"} 1'));
  assert.ok(!lines.some((line) => /_age/.test(line)));
});

test("a label's backslashes, quotes and line breaks are escaped", () => {
  assert.equal(escapeLabel('a\\b"c\nd'), 'a\\\\b\\"c\\nd');
});

test("a job file that cannot be read is a metric of its own", () => {
  const text = prometheusText([{ kind: "unreadable", name: "web1", problem: "p", remedy: "r" }]);
  assert.match(text, /^borgpull_job_readable\{job="web1"\} 0$/m);
});
