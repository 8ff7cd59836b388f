import { Transform } from "node:stream";
import type { Existing } from "./existing.ts";
import { type Message, messageSplitter } from "./messages.ts";
import { type Before, decide, firstStage, objectOf, type Purpose, type Stage } from "./policy.ts";
import { harmlessRequest, requestLimits, requestOf } from "./request.ts";
import type { Full, Room } from "./room.ts";
import { Violation } from "./values.ts";

/** A request that no backup makes. */
export interface Refusal {
  /** Such as "destroy"; "?" when it was no request at all. */
  readonly method: string;
  /** Half a sentence of why, in our own words. */
  readonly reason: string;
}

/** Why nothing more is passed on. */
export type Stop = { readonly refusal: Refusal } | { readonly fullAtHome: Full } | { readonly error: Error };

export interface FilterOptions {
  readonly before: Before;
  readonly existing: Pick<Existing, "has">;
  readonly room: Room;
  /** @default "backup" */
  readonly purpose?: Purpose | undefined;
  /** Called once at most. */
  readonly onStop: (stop: Stop) => void;
  /** An object that existed was put again: not passed on. */
  readonly onIgnoredPut: () => void;
}

/**
 * Lets through, message by message and unchanged, what an honest `borg create` asks of `borg serve`. A message is passed on when it
 * came whole and was allowed, never a part of it. After a stop everything is swallowed.
 */
export function requestFilter(options: FilterOptions): Transform {
  const split = messageSplitter(requestLimits);
  let stage = firstStage;
  let stopped = false;

  const stop = (why: Stop) => {
    stopped = true;
    options.onStop(why);
  };

  const pass = async (chunk: Buffer, push: (piece: Buffer) => void): Promise<void> => {
    const joined = joiner(push);
    try {
      for (const message of split(chunk)) {
        const verdict = await judge(message, stage, options);
        if ("stop" in verdict) {
          joined.end();
          return stop(verdict.stop);
        }
        stage = verdict.stage;
        for (const piece of verdict.pieces) joined.add(piece);
      }
    } finally {
      joined.end();
    }
  };

  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (stopped) return done();
      pass(chunk, (piece) => this.push(piece))
        .catch((error: Error) => {
          stop(error instanceof Violation ? { refusal: { method: "?", reason: error.message } } : { error });
        })
        .then(() => done());
    },
  });
}

/** Passes pieces that lie side by side in memory on as one: small messages come by the dozen, and each would be a write of its own. */
function joiner(push: (piece: Buffer) => void) {
  let last: Buffer | undefined;
  const end = () => {
    if (last) push(last);
    last = undefined;
  };
  return {
    add(piece: Buffer) {
      if (last?.buffer === piece.buffer && last.byteOffset + last.length === piece.byteOffset) {
        last = Buffer.from(last.buffer, last.byteOffset, last.length + piece.length);
        return;
      }
      end();
      last = piece;
    },
    end,
  };
}

type Verdict = { readonly stage: Stage; readonly pieces: readonly Buffer[] } | { readonly stop: Stop };

async function judge(message: Message, stage: Stage, options: FilterOptions): Promise<Verdict> {
  const request = requestOf(message);
  const object = objectOf(request);
  const existed = object !== undefined && (await options.existing.has(object));
  const decision = decide(request, stage, options.before, existed, options.purpose);
  switch (decision.kind) {
    case "refuse":
      return { stop: { refusal: { method: request.method, reason: decision.reason } } };
    case "replace":
      options.onIgnoredPut();
      return { stage, pieces: [harmlessRequest(request.id)] };
    case "allow": {
      const full = decision.written > 0 ? await options.room(decision.written) : undefined;
      return full ? { stop: { fullAtHome: full } } : { stage: decision.stage, pieces: message.pieces };
    }
  }
}
