/** From what zod says to what a person can mend: where, what is wrong there, what to do. */
import type * as z from "zod";
import { UserError } from "../schema/errors.ts";
import { nearest } from "../schema/nearest.ts";

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
  problems.push(...result.error.issues.flatMap((issue) => problemsOf(issue, schema, raw, at)));
  return undefined;
}

function problemsOf(
  issue: z.core.$ZodIssue,
  schema: z.ZodType,
  raw: unknown,
  at: readonly Key[],
): readonly Problem[] {
  const path = pathOf([...at, ...issue.path]);
  if (issue.code === "unrecognized_keys") {
    const known = optionsAt(schema, raw, issue.path);
    return issue.keys.map((key) => unknownOption(pathOf([...at, ...issue.path, key]), key, known));
  }
  // a check of ours that says both itself
  if (issue.code === "custom" && issue.params) {
    const { problem, remedy } = issue.params as Omit<Problem, "path">;
    return [{ path, problem, remedy }];
  }
  const expected = expectation(issue);
  const input = writtenAt(issue);
  if (input === undefined) return [{ path, problem: "missing.", remedy: `Give ${expected}.` }];
  const meant = typeof input === "string" ? nearest(input, allowedTexts(issue)) : undefined;
  return [
    {
      path,
      problem: `${shown(input)} is not allowed.`,
      remedy: `Write ${expected}.${meant === undefined ? "" : ` Did you mean ${JSON.stringify(meant)}?`}`,
    },
  ];
}

/** What stands at an issue's path: of a group whose kind decides what is in it, zod says the group. */
const writtenAt = (issue: z.core.$ZodIssue): unknown =>
  issue.code === "invalid_union" && issue.discriminator !== undefined
    ? group(issue.input)[issue.discriminator]
    : issue.input;

/** The texts of which one must be written; none where it is not as simple as that. */
function allowedTexts(issue: z.core.$ZodIssue): readonly string[] {
  const values = issue.code === "invalid_value" ? issue.values : (kindsOf(issue) ?? []);
  return values.filter((value) => typeof value === "string");
}

/** What an option such as `kind` may be, where it is that option that is wrong. */
const kindsOf = (issue: z.core.$ZodIssue): readonly unknown[] | undefined =>
  issue.code === "invalid_union" && issue.discriminator !== undefined && "options" in issue
    ? issue.options
    : undefined;

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
      return oneOf(issue.values);
    case "too_small":
      if (issue.origin === "array") return "a list with something in it";
      return issue.origin === "string"
        ? "a text with something in it"
        : `a whole number of ${issue.minimum} or more`;
    case "too_big":
      return issue.origin === "number"
        ? `a whole number up to ${issue.maximum}`
        : `at most ${issue.maximum} long`;
    case "invalid_type":
      return issue.message.startsWith("Invalid input") ? typeName(issue.expected) : issue.message;
    case "invalid_key": // of a group of named entries: the name is what is wrong
      return issue.issues[0] ? expectation(issue.issues[0]) : issue.message;
    case "invalid_union":
      if (kindsOf(issue)) return oneOf(kindsOf(issue) ?? []);
      return issue.message === "Invalid input" ? "a text, a number or true or false" : issue.message;
    default:
      return issue.message;
  }
}

const oneOf = (values: readonly unknown[]): string =>
  `one of ${values.map((value) => JSON.stringify(value)).join(", ")}`;

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

/** The names that a strict object of the schema knows at a path of the value. */
function optionsAt(schema: z.ZodType, raw: unknown, path: readonly Key[]): readonly string[] {
  let at = variant(inner(schema), raw);
  let value = raw;
  for (const key of path) {
    value = (value as Record<Key, unknown>)[key];
    at = variant(inner(childAt(at, key)), value);
  }
  const { def } = at as unknown as { def: { shape?: Record<string, unknown> } };
  return Object.keys(def.shape ?? {});
}

/** Of groups told apart by an option such as `kind`: the one that the value says it is. */
function variant(schema: unknown, value: unknown): unknown {
  const { def } = schema as {
    def: { discriminator?: string; options?: readonly { shape: Record<string, z.ZodType> }[] };
  };
  const { discriminator, options } = def;
  if (discriminator === undefined) return schema;
  const said = group(value)[discriminator];
  return options?.find(({ shape }) => shape[discriminator]?.safeParse(said).success) ?? schema;
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
