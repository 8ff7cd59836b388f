import { type Answers, ahead, type Question, questionOf } from "./facts/ahead.ts";
import type { Fact } from "./facts/fact.ts";

type Read = <T>(fact: Fact<T>) => Promise<T>;

/** Reading ahead: the engine asks for what depends on another resource only when that one is answered, which is a round trip each. */
export interface Foresight {
  /**
   * Has these questions answered along with what is asked now, unless they have been since `forget`. Never fails: what is not answered
   * is read when it is asked for.
   */
  lookAhead(questions: readonly Question[]): void;
  /**
   * A fact, from what was read ahead if it is there. A reader gets each answer once, and nobody gets one after `forget`.
   * @param reader names who asks: who asks again wants to know anew
   */
  foreseen<T>(fact: Fact<T>, reader: string): Promise<T>;
  /** For whoever is about to change something. */
  forget(): void;
}

/** @param read reads now */
export function foresight(read: Read): Foresight {
  let looked: readonly Promise<Answers>[] = [];
  const sought = new Set<Question>();
  const given = new Set<string>();
  const take = async (question: Question, reader: string): Promise<Buffer | undefined> => {
    for (const each of looked) {
      const answer = (await each).get(question);
      // Whoever changes something may have begun while this waited.
      if (!answer || !looked.includes(each)) continue;
      return given.size < given.add(`${reader}\n${question}`).size ? answer : undefined;
    }
    return undefined;
  };
  return {
    lookAhead: (questions) => {
      const open = questions.filter((question) => sought.size < sought.add(question).size);
      if (open.length > 0) looked = [...looked, read(ahead(open)).catch(() => new Map())];
    },
    foreseen: async (fact, reader) => {
      const answer = await take(questionOf(fact), reader);
      return answer ? fact.parse(answer) : read(fact);
    },
    forget: () => {
      looked = [];
      sought.clear();
    },
  };
}
