import type { Fact } from "./fact.ts";

/** The call of a fact, as one word; or `files FOLDER`, `keys FILE`: what is in there decides which facts (templates/remote/facts.sh). */
export type Question = string;
export type Answers = ReadonlyMap<Question, Buffer>;

/** The name of a fact among the answers. */
export const questionOf = ({ call }: Fact<unknown>): Question => call.join(" ");

/** Several questions in one. */
export const ahead = (questions: readonly Question[]): Fact<Answers> => ({
  call: ["ahead", ...questions],
  parse: (output) => {
    const records = recordsOf(output);
    const answers = new Map(records);
    return records.length === answers.size && inOrder([...answers.keys()], questions) ? answers : new Map();
  },
});

/** A NUL follows each question and each answer. */
function recordsOf(output: Buffer): readonly (readonly [Question, Buffer])[] {
  const records: [Question, Buffer][] = [];
  for (let from = 0; ; ) {
    const middle = output.indexOf(0, from);
    const end = output.indexOf(0, middle + 1);
    if (middle < 0 || end < 0) return records;
    records.push([output.toString("utf8", from, middle), output.subarray(middle + 1, end)]);
    from = end + 1;
  }
}

/** Whether these are the answers to what was asked, and nothing else: a NUL in a file would make others of it. */
function inOrder(answered: readonly Question[], asked: readonly Question[]): boolean {
  let next = 0;
  for (const question of asked) {
    const [kind, at] = question.split(" ");
    if (kind === "files" || kind === "keys") {
      const one = kind === "files" ? `file ${at}/` : "key ";
      while (answered[next]?.startsWith(one)) next++;
    } else if (answered[next++] !== question) return false;
  }
  return next === answered.length;
}
