import { maxDataBytes, type Request } from "./request.ts";
import type { Value } from "./values.ts";

/** What became of the session so far, as far as it decides what may follow. */
export interface Stage {
  readonly phase: "new" | "negotiated" | "open";
  /** Something was put or deleted since the last commit or rollback. */
  readonly changed: boolean;
}

export const firstStage: Stage = { phase: "new", changed: false };

/** What was there before the session. */
export interface Before {
  readonly job: string;
  /** The repository's next free nonce (units: AES blocks); undefined when it has none. */
  readonly nonce: bigint | undefined;
}

export type Decision =
  /** Passed on; `stage` is what it leads to, `written` the bytes at most that borg then writes. */
  | { readonly kind: "allow"; readonly stage: Stage; readonly written: number }
  /** Not passed on, but answered. */
  | { readonly kind: "replace" }
  | { readonly kind: "refuse"; readonly reason: string };

/**
 * What a session is for: a restore changes nothing, and shares the repository's lock. A person's own session, "reading" or "writing", may
 * look at everything.
 */
export type Purpose = "backup" | "restore" | "reading" | "writing";

/**
 * Whether `borg create` of 1.2 or 1.4 (for a restore: `borg extract`) sends this request (archive.py, cache.py, nonces.py, remote.py), and
 * whether it harms what was there before. Whatever is not known to be needed is refused.
 * @param existed the object that the request names was there before the session; see `objectOf`
 */
export function decide(
  request: Request,
  stage: Stage,
  before: Before,
  existed: boolean,
  purpose: Purpose = "backup",
): Decision {
  const rule = rulesOf[purpose].get(request.method);
  if (!rule) return refuse(`no ${nameOf[purpose]} asks for it`);
  if (stage.phase !== (rule.phase ?? "open"))
    return refuse(`no ${nameOf[purpose]} asks for it at this point`);
  const problem = wrongArgument(request, rule.args, purpose);
  if (problem) return refuse(problem);
  return rule.decide?.(request, { stage, before, existed }) ?? allow(stage);
}

/** The object that a request would change, when `decide` has to know whether it existed. */
export function objectOf({ method, args }: Request): Buffer | undefined {
  const id = args.get("id");
  if ((method !== "put" && method !== "delete") || !id || !isId(id) || isManifest(id.bytes)) return undefined;
  return id.bytes;
}

interface Context {
  readonly stage: Stage;
  readonly before: Before;
  readonly existed: boolean;
}

interface Rule {
  /** When it may come; "open" unless said otherwise. */
  readonly phase?: Stage["phase"];
  /** Every argument that a client may give; those whose check takes undefined may be left out. */
  readonly args: Readonly<Record<string, (value: Value | undefined) => boolean>>;
  readonly decide?: (request: Request, context: Context) => Decision;
}

type Raw = Extract<Value, { type: "raw" }> & { readonly bytes: Buffer };

const isId = (value: Value | undefined): value is Raw => value?.type === "raw" && value.length === 32;
const isManifest = (id: Buffer) => id.every((byte) => byte === 0);
const isBoolean = (value: Value | undefined) => value === undefined || value.type === "boolean";
const is = (wanted: boolean) => (value: Value | undefined) =>
  value?.type === "boolean" && value.value === wanted;
const isNotTrue = (value: Value | undefined) => !value || value.type === "nil" || is(false)(value);
const isInteger = (low: bigint, high: bigint) => (value: Value | undefined) =>
  value?.type === "integer" && value.value >= low && value.value <= high;
const isNumber = (value: Value | undefined) => !value || value.type === "integer" || value.type === "float";
const orNil = (check: (value: Value | undefined) => boolean) => (value: Value | undefined) =>
  value?.type === "nil" || check(value);

/** LIST_SCAN_LIMIT of borg 1.2 and 1.4: borg serve makes the whole answer in memory. */
const listLimit = 100_000n;
/** 256 TiB: no session encrypts as much. A reservation is for ever, as a nonce must never be used twice. */
const nonceStep = 1n << 44n;
const nonceEnd = 1n << 63n;
/** A put's or delete's entry in the log without data, and what the index grows by. */
const entryBytes = 128;
/** A commit's own segment, and its line in borg's list of transactions. */
const commitBytes = 16 << 10;

const rules: ReadonlyMap<string, Rule> = new Map(
  Object.entries<Rule>({
    negotiate: {
      phase: "new",
      args: { client_data: (value) => value?.type === "map" },
      decide: (_, { stage }) => allow({ ...stage, phase: "negotiated" }),
    },
    open: {
      phase: "negotiated",
      args: {
        path: (value) => value?.type === "raw",
        create: isNotTrue,
        lock_wait: orNil(isInteger(0n, 1n << 31n)),
        lock: is(true),
        exclusive: is(true),
        append_only: isBoolean,
        make_parent_dirs: isBoolean,
      },
      decide: ({ args }, { stage, before }) => {
        const path = args.get("path") as Raw;
        if (path.bytes?.toString() !== `/./${before.job}`) return refuse("it names another repository");
        return allow({ ...stage, phase: "open" });
      },
    },
    load_key: { args: {} },
    get: { args: { id: isId } },
    list: { args: { limit: isInteger(1n, listLimit), marker: orNil(isId) } },
    __len__: { args: {} },
    put: {
      // borg's server notes an overwritten object as deleted before it finds that the data is none, or too much
      args: {
        id: isId,
        data: (value) => value?.type === "raw" && value.length <= maxDataBytes,
        wait: isBoolean, // meant for the client itself, and sent when it is not given
      },
      decide: ({ args }, { stage, existed }) =>
        existed
          ? { kind: "replace" }
          : allow({ ...stage, changed: true }, entryBytes + (args.get("data") as Raw).length),
    },
    delete: {
      args: { id: isId, wait: isBoolean },
      decide: ({ args }, { stage, existed }) => {
        if (isManifest((args.get("id") as Raw).bytes)) return refuse("it is the list of archives");
        if (existed) return refuse("it was there before this session");
        return allow({ ...stage, changed: true }, entryBytes);
      },
    },
    get_free_nonce: { args: {} },
    commit_nonce_reservation: {
      args: {
        next_unreserved: isInteger(0n, nonceEnd - 1n),
        start_nonce: orNil(isInteger(0n, nonceEnd - 1n)),
      },
      decide: ({ args }, { stage, before }) => {
        const [next, start] = ["next_unreserved", "start_nonce"].map((name) => {
          const value = args.get(name) as Value;
          return value.type === "integer" ? value.value : 0n;
        }) as [bigint, bigint];
        if (next < start) return refuse("it goes back");
        // Counted from the session's start, or many steps would reach the end.
        if (next > (before.nonce ?? 0n) + nonceStep) return refuse("it goes further than any backup needs");
        return allow(stage);
      },
    },
    commit: {
      args: { save_space: isBoolean, compact: is(false), threshold: isNumber, cleanup_commits: isNotTrue },
      // After a rollback borg's server still has the log's end in hand, and would commit what its index does not know.
      decide: (_, { stage }) =>
        stage.changed
          ? allow({ ...stage, changed: false }, commitBytes)
          : refuse("there is nothing to commit"),
    },
    rollback: { args: {}, decide: (_, { stage }) => allow({ ...stage, changed: false }) },
  }),
);

/** borg asks for a rollback when it ends in an error; there is nothing to take back. */
const restoreRules: ReadonlyMap<string, Rule> = new Map(
  ["negotiate", "open", "load_key", "get", "rollback"].map((method) => {
    const rule = rules.get(method) as Rule;
    return [method, method === "open" ? { ...rule, args: { ...rule.args, exclusive: is(false) } } : rule];
  }),
);

/** A person's commands take the lock for themselves alone or not. */
const openToPeople: readonly [string, Rule] = [
  "open",
  { ...(rules.get("open") as Rule), args: { ...rules.get("open")?.args, exclusive: isBoolean } },
];
const changing: readonly string[] = ["put", "delete", "commit_nonce_reservation", "commit"];
const readingRules: ReadonlyMap<string, Rule> = new Map(
  [...rules, openToPeople].map(([method, rule]) => [
    method,
    changing.includes(method) ? { ...rule, decide: () => refuse("this session only reads") } : rule,
  ]),
);
/**
 * What was there may be deleted too, and is in the log until home compacts. It is not replaced, and a put of it is not passed over either: it may
 * have been deleted a moment ago.
 */
const decideWriting: Rule["decide"] = (request, facts) => {
  if (request.method === "put" && facts.existed) return refuse("it was there before this session");
  return rules.get(request.method)?.decide?.(request, { ...facts, existed: false }) ?? allow(facts.stage);
};
const writingRules: ReadonlyMap<string, Rule> = new Map(
  [...rules, openToPeople].map(([method, rule]) => [
    method,
    method === "put" || method === "delete" ? { ...rule, decide: decideWriting } : rule,
  ]),
);

const nameOf: Readonly<Record<Purpose, string>> = {
  backup: "backup",
  restore: "restore",
  reading: "attended session",
  writing: "attended session",
};

const rulesOf: Readonly<Record<Purpose, ReadonlyMap<string, Rule>>> = {
  backup: rules,
  restore: restoreRules,
  reading: readingRules,
  writing: writingRules,
};

function wrongArgument({ args }: Request, allowed: Rule["args"], purpose: Purpose): string | undefined {
  if ([...args.keys()].some((name) => !Object.hasOwn(allowed, name)))
    return `it has an argument that no ${nameOf[purpose]} gives`;
  for (const [name, check] of Object.entries(allowed)) {
    if (!check(args.get(name))) return `no ${nameOf[purpose]} gives such a value for ${name}`;
  }
  return undefined;
}

const allow = (stage: Stage, written = 0): Decision => ({ kind: "allow", stage, written });
const refuse = (reason: string): Decision => ({ kind: "refuse", reason });
