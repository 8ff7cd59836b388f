import { clean } from "../lines.ts";

/** One thing that was tried with a pull key, and whether it went as it must. All texts are fit for a terminal. */
export interface Attempt {
  readonly tried: string;
  readonly expected: string;
  readonly seen: string;
  readonly holds: boolean;
}

/** What an attempt must meet. */
export type Expected =
  | { readonly kind: "refused" }
  | { readonly kind: "granted" }
  /** borgctl's own refusal; sshd's serves as well. */
  | { readonly kind: "borgctl"; readonly code: number }
  /** Everything that a pull needs is there. */
  | { readonly kind: "works" }
  | { readonly kind: "methods"; readonly methods: readonly string[] }
  | { readonly kind: "sessions"; readonly open: number };

/** What an attempt met. */
export type Seen =
  | { readonly kind: "refused" }
  | { readonly kind: "granted" }
  /** Something ran, and ended. */
  | {
      readonly kind: "ran";
      readonly code: number | undefined;
      readonly stdout: string;
      readonly stderr: string;
    }
  /** sshd, or what runs there, gave no answer in time: it is at it. */
  | { readonly kind: "silent"; readonly seconds: number }
  /** The connection ended. */
  | { readonly kind: "cut" }
  | { readonly kind: "works" }
  | { readonly kind: "failed"; readonly problem: string }
  | { readonly kind: "methods"; readonly methods: readonly string[] }
  | { readonly kind: "sessions"; readonly open: number };

/** Compares what was seen with what must be. */
export function judge(tried: string, expected: Expected, seen: Seen): Attempt {
  return { tried, expected: expectation(expected), seen: observation(seen), holds: holds(expected, seen) };
}

function holds(expected: Expected, seen: Seen): boolean {
  const keptOut = seen.kind === "refused" || seen.kind === "cut";
  switch (expected.kind) {
    case "refused":
      return keptOut;
    case "granted":
      return seen.kind === "granted";
    case "borgctl":
      // borgctl refuses before it prints anything: output is another program's
      return keptOut || (seen.kind === "ran" && seen.code === expected.code && seen.stdout === "");
    case "works":
      return seen.kind === "works";
    case "methods":
      return seen.kind === "methods" && seen.methods.join() === expected.methods.join();
    case "sessions":
      return seen.kind === "sessions" && seen.open === expected.open;
  }
}

function expectation(expected: Expected): string {
  switch (expected.kind) {
    case "refused":
      return "refused";
    case "granted":
      return "granted";
    case "borgctl":
      return byBorgctl(expected.code);
    case "works":
      return "works";
    case "methods":
      return `${expected.methods.join(", ")} alone`;
    case "sessions":
      return `${expected.open} at most`;
  }
}

function observation(seen: Seen): string {
  switch (seen.kind) {
    case "refused":
      return "refused";
    case "granted":
      return "granted";
    case "ran":
      return ran(seen);
    case "silent":
      return `let in: no refusal within ${seen.seconds} s`;
    case "cut":
      return "hung up on";
    case "works":
      return "works";
    case "failed":
      return clean(seen.problem, 200);
    case "methods":
      return seen.methods.map((method) => clean(method, 40)).join(", ") || "none needed";
    case "sessions":
      return String(seen.open);
  }
}

function ran({ code, stdout, stderr }: Extract<Seen, { readonly kind: "ran" }>): string {
  if (code !== undefined && code >= 200 && code <= 219 && stdout === "") return byBorgctl(code);
  // the last line: before it a shell may say what it likes
  const said = clean((stdout || stderr).split("\n").findLast((line) => line.trim()) ?? "", 80);
  const end = code === undefined ? "was ended" : `exit ${code}`;
  return said ? `ran, ${end}: ${said}` : `ran, ${end}`;
}

/** By its exit code: 200 to 219 are borgctl's own. */
const byBorgctl = (code: number): string => `refused (${code})`;

/** A sentence for each attempt that does not hold. */
export const failures = (attempts: readonly Attempt[]): readonly string[] =>
  attempts
    .filter(({ holds: held }) => !held)
    .map(({ tried, expected, seen }) => `${tried}: expected "${expected}", seen "${seen}".`);
