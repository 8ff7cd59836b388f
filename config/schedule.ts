import { execFileSync } from "node:child_process";
import type { Problem } from "./problems.ts";

export type ScheduleVerdict =
  | { readonly kind: "good" }
  | { readonly kind: "refused"; readonly reason: string }
  /** systemd-analyze is not here to ask. */
  | { readonly kind: "unchecked" };

/** Whether systemd takes a text as OnCalendar=, asked of `systemd-analyze calendar` (systemd.time(7)); it needs no running systemd. */
export function checkSchedule(schedule: string): ScheduleVerdict {
  if (/[\r\n\0]/.test(schedule) || schedule.trim() === "")
    return { kind: "refused", reason: "one line of text" };
  try {
    execFileSync("systemd-analyze", ["calendar", "--", schedule], {
      stdio: ["ignore", "ignore", "pipe"],
      timeout: 10_000,
    });
    return { kind: "good" };
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: Buffer };
    if (code === "ENOENT") return { kind: "unchecked" };
    return { kind: "refused", reason: stderr?.toString().trim().split("\n")[0] || String(code) };
  }
}

/** A verdict on a schedule as what a person can mend where it is written. */
export function refusal(verdict: ScheduleVerdict, schedule: string, path: string): readonly Problem[] {
  if (verdict.kind !== "refused") return [];
  return [
    {
      path,
      problem: `systemd refuses ${JSON.stringify(schedule)}: ${verdict.reason}.`,
      remedy: 'Write an OnCalendar expression such as "*-*-* 03:00:00" (systemd.time(7)).',
    },
  ];
}
