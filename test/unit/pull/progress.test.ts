import assert from "node:assert/strict";
import { test } from "node:test";
import { describeProgress, type Progress, progressReporter } from "../../../pull/progress.ts";
import { bytes } from "../../../pull/quantities.ts";

const message = { type: "progress", files: 1, bytesRead: 50, bytesNew: 5, path: "etc/a" } as const;

test("progress is handed on four times a second, however much comes", () => {
  let now = 0;
  const seen: Progress[] = [];
  const report = progressReporter(
    (progress) => seen.push(progress),
    undefined,
    () => now,
  );
  for (; now < 1000; now++) report(message);
  assert.equal(seen.length, 4);
  assert.equal(seen[0]?.share, undefined);
});

test("the share of the last run never reaches the whole", () => {
  const shares: (number | undefined)[] = [];
  const report = (last: number) => progressReporter(({ share }) => shares.push(share), last)(message);
  report(100);
  report(10);
  assert.deepEqual(shares, [0.5, 0.99]);
});

test("progress reads as one line", () => {
  const progress = {
    files: 1203,
    bytesRead: 96_400_000,
    bytesNew: 12_000_000,
    path: "etc/ssl",
    share: 0.649,
  };
  assert.equal(describeProgress(progress), "pulling 64% 1,203 files 96 MB read 12 MB new /etc/ssl");
  const { share: _, ...first } = progress;
  assert.equal(describeProgress({ ...first, path: "" }), "pulling 1,203 files 96 MB read 12 MB new");
});

test("bytes in decimal units", () => {
  const expected = {
    0: "0 B",
    999: "999 B",
    1000: "1.0 kB",
    1500: "1.5 kB",
    9960: "10 kB",
    999600: "1.0 MB",
    96400000: "96 MB",
    3e15: "3.0 PB",
    3e18: "3000 PB",
  };
  for (const [value, text] of Object.entries(expected)) assert.equal(bytes(Number(value)), text);
});
