import type * as z from "zod";
import type { Hosts } from "../remote/pool.ts";

/** What an operation may use besides its values. */
export interface Context {
  readonly hosts: Hosts;
  /** Ended by Ctrl-C, by the engine's Cancel, and when the engine is gone. */
  readonly signal: AbortSignal;
  readonly urn: string;
  /** What was made in this run: place -> urn. A resource that was renamed is made under its new name before it is deleted under the old. */
  readonly made: Map<string, string>;
  /** Text on the resource's row while the operation runs; not kept. */
  status(text: string): void;
  /** A warning that is counted and kept with the update. */
  warn(text: string): Promise<void>;
  /** The same, once for all the resources of this process. */
  warnOnce(text: string): Promise<void>;
  /** Whether nothing of this process has said it before; from now on something has. */
  first(text: string): boolean;
  /** Resources (urn) whose host could not be read and that did not say so themselves: they differ for all that is known. */
  readonly unread: Set<string>;
}

export interface PropertyDiff {
  readonly kind: "ADD" | "UPDATE" | "DELETE" | "ADD_REPLACE" | "UPDATE_REPLACE" | "DELETE_REPLACE";
}

/** Property path -> how it differs; the engine prints the live value (old output) and the wanted one (new input). */
export type Diff = Readonly<Record<string, PropertyDiff>>;

/**
 * One kind of resource: plain functions over plain data. `State` is the inputs as they are live, and what was computed besides.
 * Whatever a kind promises, `read` looks at: a clean read makes the engine forget a failure.
 */
export interface Kind<Inputs, State extends object> {
  readonly inputs: z.ZodType<Inputs>;
  /** What is in State and not in Inputs: unknown while a create is previewed. */
  readonly computed: readonly (keyof State & string)[];
  /** Computed values that an update changes: unknown while one is previewed. */
  readonly changing?: readonly (keyof State & string)[];
  /** What it promises besides its inputs, such as "loaded": shown as wanted value where the live one differs. */
  readonly promises?: Partial<State>;
  /** What a create would compute and is known without doing it: shown by a preview. */
  foresee?(desired: Inputs): Partial<State>;
  id(inputs: Inputs): string;
  diff(live: State, desired: Inputs): Diff;
  /** Looks, in a preview, at what a create or update would meet; changes nothing. */
  rehearse?(desired: Inputs, context: Context): Promise<void>;
  create(desired: Inputs, context: Context): Promise<State>;
  /** The live state, or undefined when the thing is gone. */
  read(known: State, inputs: Inputs, context: Context): Promise<State | undefined>;
  /** Makes everything so, whatever `live` says: the host may have been rebuilt. */
  update(live: State, desired: Inputs, context: Context): Promise<State>;
  remove(known: State, inputs: Inputs, context: Context): Promise<void>;
  /** What stays behind when the host is forgotten instead of cleaned up. */
  leftovers(inputs: Inputs): string;
}

/** The resource exists, but is not what was asked for: recorded as it is, the update fails, and the next one tries again. */
export class PartialFailure extends Error {
  override readonly name = "PartialFailure";
  readonly state: object;
  readonly reasons: readonly string[];
  constructor(state: object, reasons: readonly string[], options?: ErrorOptions) {
    super(reasons.join(" "), options);
    this.state = state;
    this.reasons = reasons;
  }
}
