import { shellWord } from "../templates/quote.ts";

/** One word of POSIX shell, left bare where that is safe, so that a command stays readable. Throws for a NUL. */
export const quote = (word: string): string =>
  /^[A-Za-z0-9_./:@%+=,-]+$/.test(word) ? word : shellWord(word);

/** A command line for a POSIX shell from its arguments. */
export const commandLine = (argv: readonly string[]): string => argv.map(quote).join(" ");
