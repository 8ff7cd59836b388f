import type { FleetMember, NextRun, Standing } from "../../pull/status.ts";
import type { Status } from "../status.ts";

/** Times as ISO 8601, and nothing but ASCII: nothing in it acts on a terminal. */
export function asStatusJson({ members, next, now }: Status): string {
  const jobs = members.map((member) => jsonOf(member, next));
  return JSON.stringify({ time: iso(now), jobs }, null, 2).replace(
    /[\x7f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
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
