/**
 * Plain values as the engine sends them: a secret is an object with a signature key, a value not known yet is a string of its own
 * (pulumi/pulumi: sdk/go/common/resource/properties.go and plugin/rpc.go).
 */
export type Value = null | boolean | number | string | readonly Value[] | { readonly [key: string]: Value };
export type Values = { readonly [key: string]: Value };

const signature = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";

/** Stands for a value that the preview does not know yet. */
export const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

const isObject = (value: Value): value is { readonly [key: string]: Value } =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isSecret = (value: Value): boolean => isObject(value) && value[signature] === secretSignature;

/** The value without its secrets' wrappings, and without the members that are null (the engine's way to say "not given"). */
export function reveal(value: Value): Value {
  if (isSecret(value)) return reveal((value as { readonly value: Value }).value);
  if (Array.isArray(value)) return value.map(reveal);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, member]) => (member === null ? [] : [[key, reveal(member)]])),
  );
}

/** Whether there is a secret in it, at any depth. */
export function holdsSecret(value: Value): boolean {
  if (isSecret(value)) return true;
  if (Array.isArray(value)) return value.some(holdsSecret);
  return isObject(value) && Object.values(value).some(holdsSecret);
}

/** Whether something in it is not known yet, at any depth. */
export function holdsUnknown(value: Value): boolean {
  if (value === unknown) return true;
  if (Array.isArray(value)) return value.some(holdsUnknown);
  return isObject(value) && Object.values(value).some(holdsUnknown);
}

const seal = (value: Value): Value => (isSecret(value) ? value : { [signature]: secretSignature, value });

/** The names of the properties with a secret in them. */
export const secretNames = (values: Values): ReadonlySet<string> =>
  new Set(Object.entries(values).flatMap(([name, value]) => (holdsSecret(value) ? [name] : [])));

/** Inputs as they go back to the engine: what came as a secret stays one. */
export const sealInputs = (values: Values, secrets: ReadonlySet<string>): Values =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, secrets.has(name) ? seal(value) : value]),
  );

/** Outputs as they go back: what came as a secret stays one, and so does whatever was computed where a secret took part. */
export const sealOutputs = (values: Values, inputs: Values, secrets: ReadonlySet<string>): Values =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      secrets.has(name) || (secrets.size > 0 && !(name in inputs)) ? seal(value) : value,
    ]),
  );
