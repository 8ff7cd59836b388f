/** From what zod says to what a person can mend: where, what is wrong there, what to do. */
import type * as z from "zod";
import { UserError } from "../schema/errors.ts";
import { nearest } from "./nearest.ts";

/** One mistake in the options, at a path such as `hosts.web1.hostKey`. */
export interface Problem {
  readonly path: string;
  readonly problem: string;
  readonly remedy: string;
}

type Key = PropertyKey;

/** `["hosts", "web1", "paths", 0]` -> `hosts.web1.paths[0]`. */
export const pathOf = (keys: readonly Key[]): string =>
  keys
    .map((key, index) => (typeof key === "number" ? `[${key}]` : `${index ? "." : ""}${String(key)}`))
    .join("");

/** A value as named options, none when it is no group of them. */
export const group = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};

/** Parses and collects: the value, or undefined and what is wrong with it appended to `problems`. */
export function check<T>(
  schema: z.ZodType<T>,
  raw: unknown,
  at: readonly Key[],
  problems: Problem[],
): T | undefined {
  const result = schema.safeParse(raw, { reportInput: true });
  if (result.success) return result.data;
  problems.push(...result.error.issues.flatMap((issue) => problemsOf(issue, schema, at)));
  return undefined;
}

function problemsOf(issue: z.core.$ZodIssue, schema: z.ZodType, at: readonly Key[]): readonly Problem[] {
  const path = pathOf([...at, ...issue.path]);
  if (issue.code === "unrecognized_keys") {
    const known = optionsAt(schema, issue.path);
    return issue.keys.map((key) => unknownOption(pathOf([...at, ...issue.path, key]), key, known));
  }
  // a check of ours that says both itself
  if (issue.code === "custom" && issue.params) {
    const { problem, remedy } = issue.params as Omit<Problem, "path">;
    return [{ path, problem, remedy }];
  }
  const expected = expectation(issue);
  if (issue.input === undefined) return [{ path, problem: "missing.", remedy: `Give ${expected}.` }];
  return [{ path, problem: `${shown(issue.input)} is not allowed.`, remedy: `Write ${expected}.` }];
}

export function unknownOption(path: string, key: string, known: readonly string[]): Problem {
  const meant = nearest(key, known);
  return {
    path,
    problem: "unknown option.",
    remedy: meant ? `Did you mean ${meant}?` : `Known here: ${known.join(", ")}.`,
  };
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_value":
      return `one of ${issue.values.map((value) => JSON.stringify(value)).join(", ")}`;
    case "too_small":
      return issue.origin === "array" ? "a list with something in it" : "a whole number of 1 or more";
    case "too_big":
      return issue.origin === "number"
        ? `a whole number up to ${issue.maximum}`
        : `at most ${issue.maximum} long`;
    case "invalid_type":
      return issue.message.startsWith("Invalid input") ? typeName(issue.expected) : issue.message;
    case "invalid_union":
      return issue.message === "Invalid input" ? "a text, a number or true or false" : issue.message;
    default:
      return issue.message;
  }
}

const typeNames: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a group of options",
  record: "a group of named entries",
};
const typeName = (expected: string): string => typeNames[expected] ?? expected;

function shown(input: unknown): string {
  const text = JSON.stringify(input) ?? String(input);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** The names that a strict object of the schema knows at a path. */
function optionsAt(schema: z.ZodType, path: readonly Key[]): readonly string[] {
  let at = inner(schema);
  for (const key of path) at = inner(childAt(at, key));
  const { def } = at as unknown as { def: { shape?: Record<string, unknown> } };
  return Object.keys(def.shape ?? {});
}

/** Behind optional, default, readonly and the like. */
function inner(schema: unknown): unknown {
  const { def } = schema as { def: { innerType?: unknown } };
  return def.innerType === undefined ? schema : inner(def.innerType);
}

function childAt(schema: unknown, key: Key): unknown {
  const { def } = schema as {
    def: { shape?: Record<Key, unknown>; valueType?: unknown; element?: unknown };
  };
  return def.shape?.[key] ?? def.valueType ?? def.element;
}

/** All mistakes as one error, with nothing touched; returns when there are none. */
export function refuse(problems: readonly Problem[]): void {
  const [first, ...rest] = problems;
  if (first === undefined) return;
  if (rest.length === 0) throw new UserError(`${first.path}: ${first.problem}`, first.remedy);
  const lines = problems.map(({ path, problem, remedy }) => `  ${path}: ${problem} ${remedy}`);
  throw new UserError(
    `${problems.length} mistakes in the configuration, and nothing was touched:\n${lines.join("\n")}\n`,
    "Mend them and run it again.",
  );
}
