import type { ReachError } from "../../schema/errors.ts";
import type { Served } from "../serve.ts";
import type { Greeting, Message, Report } from "./messages.ts";

/** Everything that a finished session left, as facts: how it ran is session.ts, how it is judged classify.ts. */
export type SessionFacts =
  | { readonly stage: "connect"; readonly error: ReachError }
  | { readonly stage: "forward"; readonly reason: string }
  | { readonly stage: "command"; readonly reason: string }
  | {
      readonly stage: "ran";
      /** What ended it: borgctl itself, the connection, or home. */
      readonly ended: "exit" | "lost" | "cancelled" | "stalled" | "timed-out";
      readonly exitCode: number | undefined;
      readonly greeting?: Greeting;
      /** When it came, in milliseconds since 1970 by home's clock. */
      readonly greeted?: number;
      readonly report?: Report;
      readonly messages: readonly Message[];
      readonly served: Served;
    };

/** What of a job the sentences about its session name. */
export interface Context {
  /** Host of the VPS, as in messages. */
  readonly host: string;
  readonly instance: string;
  readonly totalSeconds: number;
  readonly stallSeconds: number;
}

/** A session that came to borgctl. */
export type Ran = Extract<SessionFacts, { stage: "ran" }>;
