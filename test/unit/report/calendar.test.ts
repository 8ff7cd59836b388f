import assert from "node:assert/strict";
import { test } from "node:test";
import { calendar, firstDay } from "../../../report/calendar.ts";

/** A Monday, by local time. */
const now = new Date(2026, 10, 23, 12).getTime();
const at = (month: number, date: number, hours = 3) => new Date(2026, month - 1, date, hours).getTime();

test("a week is a column from Monday on, and the last column ends today", () => {
  const { days, width } = calendar([], now, 26);
  assert.equal(days.length, 25 * 7 + 1);
  assert.equal(days[0]?.title, "Mon 1 Jun 2026: no run");
  assert.equal(days.at(-1)?.title, "Mon 23 Nov 2026: no run");
  assert.equal(firstDay(now, 26), at(6, 1, 0));
  assert.ok(days.every(({ x }) => x >= 0 && x + 10 <= width));
  assert.equal(new Set(days.map(({ x, y }) => `${x} ${y}`)).size, days.length);
});

test("a day is as its worst run was, by home's midnight, and says so by more than its colour", () => {
  const { days, label } = calendar(
    [
      { started: at(11, 20), outcome: "good" },
      { started: at(11, 20, 23), outcome: "failed" },
      { started: at(11, 21, 0), outcome: "warning" },
      { started: at(11, 22), outcome: "tampered" },
      { started: at(11, 22, 4), outcome: "abandoned" },
      { started: at(11, 23), outcome: "good" },
      { started: at(11, 23, 11) },
    ],
    now,
    2,
  );
  assert.deepEqual(
    days.slice(-4).map(({ look, sign, title }) => [look, sign, title]),
    [
      ["failed", "×", "Fri 20 Nov 2026: failed, 2 runs"],
      ["warning", "•", "Sat 21 Nov 2026: with warnings"],
      ["tampered", "!", "Sun 22 Nov 2026: tampered with, 2 runs"],
      ["good", "", "Mon 23 Nov 2026: good"],
    ],
  );
  assert.equal(label, "8 days: 4 no run, 1 good, 1 with warnings, 1 failed, 1 tampered with");
});

test("no day is there twice and none is left out where a clock is changed", () => {
  const zone = process.env.TZ;
  process.env.TZ = "Europe/Berlin";
  try {
    const { days } = calendar([], new Date(2026, 10, 23, 12).getTime(), 26);
    const dates = days.map(({ title }) => title.slice(0, title.indexOf(":")));
    assert.equal(new Set(dates).size, 25 * 7 + 1);
    assert.ok(dates.includes("Sun 25 Oct 2026"));
  } finally {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  }
});

test("names of months do not run into each other", () => {
  const { months } = calendar([], now, 26);
  const gaps = months.slice(1).map(({ x }, index) => x - (months[index]?.x ?? 0));
  assert.deepEqual(
    months.map(({ name }) => name),
    ["Jun", "Jul", "Aug", "Sep", "Oct", "Nov"],
  );
  assert.ok(gaps.every((gap) => gap >= 26));
});
