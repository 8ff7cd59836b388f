/** One word of POSIX shell: single quotes, and a quote inside as '\''. A NUL cannot be in an argument and throws. */
export function quote(word: string): string {
  if (word.includes("\0")) throw new TypeError("a shell word cannot hold a NUL byte");
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A command line for a POSIX shell from its arguments. */
export const commandLine = (argv: readonly string[]): string => argv.map(quote).join(" ");
