import type { RunRecord } from "../pull/ledger.ts";
import type { CalendarView, DayView } from "../templates/report.ts";

type Look = DayView["look"];
/** The worst first. */
const looks = ["tampered", "failed", "warning", "good"] as const;
const words: Readonly<Record<Look, string>> = {
  tampered: "tampered with",
  failed: "failed",
  warning: "with warnings",
  good: "good",
  none: "no run",
};
const signs: Readonly<Record<Look, string>> = {
  tampered: "!",
  failed: "×",
  warning: "•",
  good: "",
  none: "",
};

/** Of a day and the space after it; left and above are names. */
const pitch = 13;
const left = 24;
const top = 13;
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

type Run = Pick<RunRecord, "started" | "outcome">;

/** The Monday with which the calendar of so many weeks begins, milliseconds since 1970. */
export function firstDay(now: number, weeks: number): number {
  const today = new Date(now);
  const monday = today.getDate() - weekdayOf(today) - 7 * (weeks - 1);
  return new Date(today.getFullYear(), today.getMonth(), monday).getTime();
}

/** A week a column, each day as its worst run was, by home's time zone. */
export function calendar(runs: readonly Run[], now: number, weeks: number): CalendarView {
  const byDay = Map.groupBy(runs, ({ started }) => keyOf(new Date(started)));
  const days = daysUpTo(now, weeks).map((date, index) => dayView(date, index, byDay.get(keyOf(date)) ?? []));
  return {
    width: left + weeks * pitch,
    height: top + 7 * pitch,
    label: labelOf(days),
    days,
    months: monthsOf(daysUpTo(now, weeks)),
    weekdays: [0, 2, 4].map((weekday) => ({ y: top + weekday * pitch + 8, name: weekdays[weekday] ?? "" })),
  };
}

function daysUpTo(now: number, weeks: number): readonly Date[] {
  const first = new Date(firstDay(now, weeks));
  // By dates and not by hours: a day may have 23 or 25.
  return Array.from(
    { length: weeks * 7 },
    (_, index) => new Date(first.getFullYear(), first.getMonth(), first.getDate() + index),
  ).filter((date) => date.getTime() <= now);
}

function dayView(date: Date, index: number, runs: readonly Run[]): DayView {
  const found = runs.flatMap(({ outcome }) => lookOf(outcome) ?? []);
  const look: Look = looks.find((each) => found.includes(each)) ?? "none";
  const many = found.length > 1 ? `, ${found.length} runs` : "";
  return {
    x: left + Math.floor(index / 7) * pitch,
    y: top + (index % 7) * pitch,
    look,
    sign: signs[look],
    title: `${weekdays[weekdayOf(date)]} ${nameOf(date)}: ${words[look]}${many}`,
  };
}

/** A run that has not ended is of no look yet. */
function lookOf(outcome: Run["outcome"]): (typeof looks)[number] | undefined {
  return outcome === "abandoned" ? "failed" : outcome;
}

function labelOf(days: readonly DayView[]): string {
  const counts = ([...looks, "none"] as const).toReversed().flatMap((look) => {
    const many = days.filter((day) => day.look === look).length;
    return many > 0 ? [`${many} ${words[look]}`] : [];
  });
  return `${days.length} days: ${counts.join(", ")}`;
}

/** A name above the first whole week of a month, where the one before it leaves room. */
function monthsOf(days: readonly Date[]): CalendarView["months"] {
  const mondays = days.filter((_, index) => index % 7 === 0);
  const starts = mondays.flatMap((date, column) => {
    const before = mondays[column - 1];
    return before?.getMonth() === date.getMonth() ? [] : [{ column, name: monthOf(date) }];
  });
  return starts
    .filter(({ column }, index) => (starts[index + 1]?.column ?? Number.POSITIVE_INFINITY) - column > 1)
    .map(({ column, name }) => ({ x: left + column * pitch, name }));
}

const weekdayOf = (date: Date): number => (date.getDay() + 6) % 7;
const keyOf = (date: Date): string => `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`;
export const monthOf = (date: Date): string => months[date.getMonth()] ?? "";
export const nameOf = (date: Date): string => `${date.getDate()} ${monthOf(date)} ${date.getFullYear()}`;
