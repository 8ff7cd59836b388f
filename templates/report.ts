/** The report's page: HTML with every text escaped, its style and its pictures in it, no script, and nothing from elsewhere. */
import * as fs from "node:fs";
import Handlebars from "handlebars";

/** How a thing stands, as a class of the page and as a word. */
export interface Badge {
  readonly look: "good" | "warning" | "failed" | "tampered" | "stale" | "never";
  readonly word: string;
}

/** A day of the calendar, in the picture's own units. */
export interface DayView {
  readonly x: number;
  readonly y: number;
  readonly look: "good" | "warning" | "failed" | "tampered" | "none";
  /** What stands in it, so that colour is not all that tells. */
  readonly sign: string;
  readonly title: string;
}

export interface CalendarView {
  readonly width: number;
  readonly height: number;
  /** What a screen reader says. */
  readonly label: string;
  readonly days: readonly DayView[];
  readonly months: readonly { readonly x: number; readonly name: string }[];
  readonly weekdays: readonly { readonly y: number; readonly name: string }[];
}

export interface ChartView {
  readonly title: string;
  /** What a screen reader says. */
  readonly label: string;
  /** The picture, of numbers and dates alone: it is not escaped. */
  readonly svg: string;
}

export interface Todo {
  readonly job: string;
  readonly badge: Badge;
  readonly problem: string;
  readonly remedy: string;
}

export interface JobView {
  readonly job: string;
  readonly host: string;
  readonly badge: Badge;
  readonly running: string;
  /** Cells of the table of all jobs. */
  readonly age: string;
  readonly limit: string;
  readonly stale: boolean;
  readonly size: string;
  readonly growth: string;
  readonly trust: Badge;
  readonly next: string;
  readonly check: string;
  readonly proof: string;
  readonly facts: readonly { readonly name: string; readonly text: string }[];
  readonly calendar: CalendarView;
  readonly charts: readonly ChartView[];
  readonly checks: readonly {
    readonly name: string;
    /** Day and time, each whole on its line. */
    readonly last: readonly string[];
    readonly badge: Badge;
    readonly every: string;
    readonly text: string;
  }[];
  readonly breaches: readonly {
    readonly found: string;
    readonly badge: Badge;
    readonly findings: readonly string[];
  }[];
  readonly troubles: readonly {
    readonly when: string;
    readonly badge: Badge;
    readonly problem: string;
    readonly remedy: string;
  }[];
  /** Such as "and 12 more"; empty when all are there. */
  readonly more: string;
}

export interface ReportView {
  readonly title: string;
  readonly written: string;
  readonly headline: string;
  readonly allGood: boolean;
  readonly tiles: readonly { readonly name: string; readonly value: string; readonly more: string }[];
  readonly todos: readonly Todo[];
  /** What else to look at. */
  readonly advice: readonly {
    readonly jobs: readonly string[];
    readonly problem: string;
    readonly remedy: string;
  }[];
  readonly jobs: readonly JobView[];
  readonly unreadable: readonly { readonly job: string; readonly problem: string; readonly remedy: string }[];
  readonly weeks: number;
}

/** One self-contained page. */
export function report(view: ReportView): string {
  const read = (name: string) => fs.readFileSync(new URL(name, import.meta.url), "utf8");
  const template = Handlebars.create().compile(read("report.hbs"), { strict: true });
  return template({ ...view, style: read("report.css") });
}
