import type { Diff, PropertyDiff } from "./kind.ts";
import { unknown } from "./values.ts";

type Json = unknown;
const isRecord = (value: Json): value is Readonly<Record<string, Json>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A property path as the engine reads it: a.b, or a["b.c"] for a name with a dot or a quote in it. */
const member = (path: string, key: string): string =>
  /^[A-Za-z_$][\w$-]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;

function differences(
  path: string,
  live: Json,
  desired: Json,
  suffix: "" | "_REPLACE",
): [string, PropertyDiff][] {
  if (JSON.stringify(live) === JSON.stringify(desired)) return [];
  const kind = (name: "ADD" | "UPDATE" | "DELETE"): [string, PropertyDiff][] => [
    [path, { kind: `${name}${suffix}` }],
  ];
  if (desired === unknown) return kind("UPDATE");
  if (live === undefined) return kind("ADD");
  if (desired === undefined) return kind("DELETE");
  if (!isRecord(live) || !isRecord(desired)) return kind("UPDATE");
  const keys = new Set([...Object.keys(live), ...Object.keys(desired)]);
  return [...keys].flatMap((key) => differences(member(path, key), live[key], desired[key], suffix));
}

/**
 * The detailed diff of two objects: maps differ by member, everything else as a whole.
 * @param updated properties whose difference is an update in place
 * @param replaced properties whose difference replaces the resource
 */
export function compare(
  live: object,
  desired: object,
  updated: readonly string[],
  replaced: readonly string[] = [],
): Diff {
  const [a, b] = [live as Record<string, Json>, desired as Record<string, Json>];
  return Object.fromEntries([
    ...updated.flatMap((name) => differences(name, a[name], b[name], "")),
    ...replaced.flatMap((name) => differences(name, a[name], b[name], "_REPLACE")),
  ]);
}

type Login = { readonly [part: string]: Json; readonly hostKeys?: Json; readonly auth?: Json };
interface Reached {
  readonly connection?: (Login & { readonly jump?: Login | undefined }) | undefined;
}
interface Named extends Reached {
  readonly identities?:
    | { readonly host?: string | undefined; readonly jump?: string | undefined }
    | undefined;
}

/** Another address, user or port is no difference; another host key is one, the jump host's too, and everything is proved again. */
export function compareConnection(live: Reached, desired: Reached): Diff {
  const [before, after] = [live.connection, desired.connection];
  if ((after as Json) === unknown) return { connection: { kind: "UPDATE" } };
  if (!before || !after) return {};
  return Object.fromEntries([
    ...differences("connection.hostKeys", before.hostKeys, after.hostKeys, ""),
    ...(before.jump && after.jump
      ? differences("connection.jump.hostKeys", before.jump.hostKeys, after.jump.hostKeys, "")
      : []),
  ]);
}

/**
 * Every part of the connection, for the one resource of a host that tries it before the others rely on it. A private key is a
 * difference only where the config names another: where it names none, each machine has its own.
 */
export function compareWay(live: Named, desired: Named): Diff {
  const [before, after] = [live.identities, desired.identities];
  // an older version has recorded none
  const [ofHost, ofJump] = [before && before.host !== after?.host, before && before.jump !== after?.jump];
  const way = ({ connection }: Reached): Json => {
    if (!isRecord(connection)) return connection;
    const { jump, ...login } = connection;
    return { ...without(ofHost, login), ...(jump ? { jump: without(ofJump, jump) } : {}) };
  };
  return Object.fromEntries(differences("connection", way(live), way(desired), ""));
}

function without(named: boolean | undefined, { auth, ...login }: Login): Login {
  return named ? { ...login, auth } : login;
}
