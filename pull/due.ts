import { isAhead } from "./time.ts";

/** Whether a job is to be pulled now: a pure decision over what is known. */
export interface DueFacts {
  readonly job: string;
  readonly policy: "stale" | "always" | "never";
  /** BORGPULL_PULL: "web1,db1", "all" or "never"; undefined when not set. For one run, it goes before the policy. */
  readonly request: string | undefined;
  /** When the last good backup was finished, milliseconds since 1970; undefined when there is none. */
  readonly lastGood: number | undefined;
  /** Whether the repository is as home recorded it, that backup's archive in it. */
  readonly archiveThere: boolean;
  readonly staleAfterSeconds: number;
  /** Milliseconds since 1970, by home's clock. */
  readonly now: number;
}

/** Why a pull is due, in a few words; undefined when it is not. */
export function due(facts: DueFacts): string | undefined {
  const { job, policy, request, lastGood, staleAfterSeconds, now } = facts;
  if (request === "never") return undefined;
  if (request === "all") return "asked for by BORGPULL_PULL";
  if (request) {
    return request.split(",").some((name) => name.trim() === job) ? "asked for by BORGPULL_PULL" : undefined;
  }
  if (policy === "never") return undefined;
  if (policy === "always") return "pulled on every up";
  if (lastGood === undefined) return "no good backup yet";
  if (!facts.archiveThere) return "the repository is not as the last good backup left it";
  const age = (now - lastGood) / 1000;
  if (isAhead(lastGood, now)) return "the last good backup is of a time to come: home's clock was set back";
  if (age > staleAfterSeconds) return `the last good backup is ${describeAge(age)} old`;
  return undefined;
}

/** 90 -> "90 s"; 7200 -> "2 h"; 200000 -> "2 d". */
export function describeAge(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
