/** What hosts are asked in a preview: runs of templates/remote/facts.sh, one line a fact (remote/batch.ts). */

import { commandLine } from "../../remote/quote.ts";

/** What facts.sh prints before the facts: where it begins to answer, and where the questions begin in what is sent. */
const marker = "borgpull-facts\n";

/** Question, as it is sent -> what the host printed, in base64. */
export type Answers = ReadonlyMap<string, string>;

/** The questions of a script given to the shell; undefined when it is none that asks. */
export function questionsOf(script: string): readonly string[] | undefined {
  const at = script.lastIndexOf(`echo ${marker}`);
  if (at < 0) return undefined;
  return script
    .slice(at + `echo ${marker}`.length)
    .split("\n")
    .filter((line) => line !== "");
}

/** The script that asks one host these questions, made of one that asks others. */
export function scriptWith(script: string, questions: readonly string[]): string {
  const end = script.lastIndexOf(`echo ${marker}`) + `echo ${marker}`.length;
  return `${script.slice(0, end)}${questions.join("\n")}\n`;
}

export const answerOf = (rows: readonly string[]): string =>
  `${marker}${rows.map((row) => `${row}\n`).join("")}`;

/** What a host printed, question by question. */
export function rowsOf(printed: string, count: number): readonly string[] {
  const rows = printed.slice(printed.indexOf(marker) + marker.length).split("\n");
  if (!printed.includes(marker) || rows.length !== count + 1)
    throw new Error(`no facts in: ${printed.slice(0, 200)}`);
  return rows.slice(0, count);
}

/** The answers that came along with one, when it was asked ahead (remote/facts/ahead.ts): each as if it had been asked alone. */
export function answersIn(question: string, row: string): Answers {
  if (!question.startsWith("fact ahead ")) return new Map();
  const words = Buffer.from(row, "base64").toString("latin1").split("\0");
  const pairs = words.flatMap((word, index) =>
    index % 2 === 1 ? [[words[index - 1] as string, word] as const] : [],
  );
  return new Map(
    pairs.map(([call, output]) => [
      commandLine(["fact", ...call.split(" ")]),
      Buffer.from(output, "latin1").toString("base64"),
    ]),
  );
}
