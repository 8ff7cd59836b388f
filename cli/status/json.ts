import type { FleetMember, NextRun, Standing } from "../../pull/status.ts";
import { asciiJson } from "../ascii-json.ts";
import type { Status } from "./read.ts";

/** Times are ISO 8601. */
export function asStatusJson({ members, next, now }: Status): string {
  const jobs = members.map((member) => jsonOf(member, next));
  return asciiJson({ time: iso(now), jobs });
}

function jsonOf(member: FleetMember, next: Status["next"]): object {
  if (member.kind === "unreadable") {
    const { name, problem, remedy } = member;
    return { job: name, state: "unreadable", problem, remedy };
  }
  const { standing } = member;
  const { running, lastGood, lastRun, openBreaches, checks, keyExported, ...plain } = standing;
  return {
    ...plain,
    ...(running ? { running: { ...running, started: iso(running.started) } } : {}),
    ...(lastGood ? { lastGood: spanned(lastGood) } : {}),
    ...(lastRun ? { lastRun: spanned(lastRun) } : {}),
    openBreaches: openBreaches.map(({ found, runs, findings }) => ({ found: iso(found), runs, findings })),
    checks: Object.fromEntries(Object.entries(checks).map(([kind, check]) => [kind, checkOf(check)])),
    ...(keyExported === undefined ? {} : { keyExported: iso(keyExported) }),
    next: nextOf(next.get(standing.job)),
  };
}

const spanned = <T extends { readonly started: number; readonly finished: number }>(what: T) => ({
  ...what,
  started: iso(what.started),
  finished: iso(what.finished),
});

const checkOf = ({ last, ...check }: Standing["checks"]["proof"]) => ({
  ...check,
  ...(last ? { last: spanned(last) } : {}),
});

const nextOf = (next: NextRun = { kind: "unknown" }) =>
  next.kind === "at" ? { ...next, time: iso(next.time) } : next;

const iso = (time: number): string => new Date(time).toISOString();
