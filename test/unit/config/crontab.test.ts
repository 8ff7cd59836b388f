import assert from "node:assert/strict";
import { test } from "node:test";
import { crontabLine } from "../../../config/crontab.ts";

/** OnCalendar -> the five fields of cron. */
const same: readonly (readonly [string, string])[] = [
  ["daily", "0 0 * * *"],
  ["hourly", "0 * * * *"],
  ["weekly", "0 0 * * 1"],
  ["monthly", "0 0 1 * *"],
  ["03:00", "0 3 * * *"],
  ["*-*-* 03:00:00", "0 3 * * *"],
  ["*-*-* 03:30", "30 3 * * *"],
  ["*-*-01 04:00:00", "0 4 1 * *"],
  ["*-01,07-01 04:05", "5 4 1 1,7 *"],
  ["Mon..Fri 22:15", "15 22 * * 1-5"],
  ["Sat,Sun *-*-* 06:00:00", "0 6 * * 6,0"],
  ["Fri..Sun 06:00", "0 6 * * 5-7"],
  ["sunday 02:00", "0 2 * * 0"],
  ["Mon", "0 0 * * 1"],
  ["*:00/15", "*/15 * * * *"],
  ["*:0/15:00", "*/15 * * * *"],
  ["00/6:10", "10 */6 * * *"],
  ["*-*-* 8..18:00", "0 8-18 * * *"],
  ["*-*-* *:*:00", "* * * * *"],
];

test("what cron can say too is a line for it", () => {
  for (const [schedule, fields] of same)
    assert.equal(crontabLine(schedule, "borgpull run web1"), `${fields} borgpull run web1`, schedule);
});

test("what it cannot say is none", () => {
  const more = [
    "*:*:00/5", // seconds
    "2027-01-01 03:00", // a year
    "*-*~1 03:00", // the month's last day
    "Mon *-*-1..7 03:00", // cron would take either
    "03:00 Europe/Berlin",
    "03:10/20", // cron would need the end
    "Xyz 03:00",
    "Sat..Tue 03:00", // over the week's end
    "",
  ];
  for (const schedule of more) assert.equal(crontabLine(schedule, "x"), undefined, schedule);
});
