/** What every kind has in common: checking, previews, secrets, and reads that never fail. Plain data in and out. */
import * as z from "zod";
import { onlyLooking } from "../remote/pool.ts";
import { describe, ReachError, UserError } from "../schema/errors.ts";
import { endpoint } from "../schema/target.ts";
import { type Context, type Diff, type Kind, PartialFailure } from "./kind.ts";
import { moving, thisHome } from "./place.ts";
import { questionsOf } from "./questions.ts";
import {
  holdsUnknown,
  reveal,
  sealInputs,
  sealOutputs,
  secretNames,
  unknown,
  type Values,
} from "./values.ts";

export interface CheckAnswer {
  readonly inputs: Values;
  readonly failures: readonly { readonly property: string; readonly reason: string }[];
}

/** Recorded by the engine although the operation failed (ErrorResourceInitFailed). */
export class InitFailed extends Error {
  override readonly name = "InitFailed";
  readonly id: string;
  readonly outputs: Values;
  readonly inputs: Values;
  readonly reasons: readonly string[];
  constructor(id: string, outputs: Values, inputs: Values, reasons: readonly string[]) {
    super(reasons.join(" "));
    this.id = id;
    this.outputs = outputs;
    this.inputs = inputs;
    this.reasons = reasons;
  }
}

/** A kind as the server calls it: values with secrets and unknowns in them. */
export interface Lifecycle {
  check(news: Values): CheckAnswer;
  diff(oldOutputs: Values, news: Values): Diff;
  create(news: Values, preview: boolean, context: Context): Promise<{ id: string; outputs: Values }>;
  read(
    id: string,
    outputs: Values,
    inputs: Values,
    context: Context,
  ): Promise<{ outputs: Values; inputs: Values } | undefined>;
  update(id: string, olds: Values, news: Values, preview: boolean, context: Context): Promise<Values>;
  remove(outputs: Values, inputs: Values, context: Context): Promise<void>;
}

export function lifecycle<Inputs, State extends object>(kind: Kind<Inputs, State>): Lifecycle {
  const plain = <T>(values: Values) => reveal(values) as unknown as T;
  const outputs = (state: object, news: Values) =>
    sealOutputs(JSON.parse(JSON.stringify(state)) as Values, reveal(news) as Values, secretNames(news));
  const promised = () => (kind.promises ?? {}) as Values;
  const computed = (names: readonly string[]) => ({
    ...Object.fromEntries(names.map((name) => [name, unknown])),
    ...promised(),
  });
  const rehearse = async (news: Values, context: Context) => {
    if (!kind.rehearse || holdsUnknown(news)) return;
    await kind.rehearse(plain<Inputs>(news), context).catch((error) => context.warnOnce(describe(error)));
  };
  const placeOf = (inputs: Values): string => {
    const { connection } = inputs as {
      readonly connection?: { readonly host: string; readonly port: number };
    };
    return `${connection ? endpoint(connection) : "home"}: ${kind.leftovers(plain<Inputs>(inputs))}`;
  };
  const recorded = async (id: string, news: Values, work: () => Promise<State>) => {
    try {
      return outputs(await work(), news);
    } catch (error) {
      if (!(error instanceof PartialFailure)) throw error;
      throw new InitFailed(id, outputs(error.state, news), news, error.reasons);
    }
  };
  return {
    check: (news) => {
      const given = reveal(news) as Values;
      const failures = problems(kind.inputs, given);
      return { inputs: { ...sealInputs(given, secretNames(news)), ...promised() }, failures };
    },
    diff: (oldOutputs, news) => kind.diff(plain<State>(oldOutputs), plain<Inputs>(news)),
    create: async (news, preview, context) => {
      if (preview) {
        await rehearse(news, context);
        const foreseen = holdsUnknown(news) ? {} : (kind.foresee?.(plain<Inputs>(news)) ?? {});
        return { id: "", outputs: { ...news, ...computed(kind.computed), ...foreseen } };
      }
      const desired = plain<Inputs>(news);
      const id = kind.id(desired);
      context.made.set(placeOf(news), context.urn);
      return {
        id,
        outputs: await recorded(id, news, () => kind.create(desired, context)),
      };
    },
    read: async (id, known, inputs, context) => {
      try {
        const wanted = plain<Inputs & { readonly instance?: string }>(inputs);
        const along = wanted.instance === undefined ? [] : questionsOf(wanted.instance);
        const looking = { ...context, hosts: onlyLooking(context.hosts, context.urn, along) };
        const state = await kind.read(plain<State>(known), wanted, looking);
        context.unread.delete(context.urn);
        return state && { outputs: outputs(state, inputs), inputs };
      } catch (error) {
        const reason = describe(error);
        // A host's fifteen resources have one thing to say: the engine warns of every failure that it is told.
        if (!context.first(reason)) {
          context.unread.add(context.urn);
          return { outputs: known, inputs };
        }
        // An error would end the whole run before the program could bring a new address or host key.
        throw new InitFailed(id, known, inputs, [reason]);
      }
    },
    update: async (id, olds, news, preview, context) => {
      if (preview) {
        await rehearse(news, context);
        const kept = Object.fromEntries(kind.computed.map((name) => [name, olds[name] ?? unknown]));
        const open = holdsUnknown(news);
        const foreseen = moving() && !open ? (kind.foresee?.(plain<Inputs>(news)) ?? {}) : {};
        return { ...kept, ...news, ...computed(open ? kind.computed : (kind.changing ?? [])), ...foreseen };
      }
      return recorded(id, news, () => kind.update(plain<State>(olds), plain<Inputs>(news), context));
    },
    remove: async (known, inputs, context) => {
      // Made anew under another name in this run: it is that resource's now.
      const maker = context.made.get(placeOf(inputs));
      if (maker !== undefined && maker !== context.urn) return;
      const left = kind.leftovers(plain<Inputs>(inputs));
      const { home } = inputs as { readonly home?: string };
      if (moving() && home !== undefined && home !== thisHome()) {
        return context.warn(`At the former home this is left behind: ${left}.`);
      }
      try {
        await kind.remove(plain<State>(known), plain<Inputs>(inputs), context);
      } catch (error) {
        if (!(error instanceof ReachError)) throw error;
        if (process.env.BORGPULL_UNREACHABLE !== "forget") {
          throw new UserError(
            error.problem,
            `If it will never come back, BORGPULL_UNREACHABLE=forget leaves behind: ${left}.`,
            { cause: error },
          );
        }
        await context.warn(`${error.problem} Left behind: ${left}.`);
      }
    },
  };
}

/** What is wrong with the inputs, by property path; a property that is not known yet is not looked at. */
function problems(schema: z.ZodType, given: Values): CheckAnswer["failures"] {
  const result = schema.safeParse(given);
  if (result.success) return [];
  return result.error.issues.flatMap(({ path, message }) => {
    const name = String(path[0] ?? "");
    if (name in given && holdsUnknown(given[name] as Values[string])) return [];
    return [{ property: z.core.toDotPath(path), reason: message }];
  });
}
