/** One word of POSIX shell, always in single quotes, a quote inside as '\''. A NUL cannot be in a shell text and throws. */
export function shellWord(word: string): string {
  if (word.includes("\0")) throw new TypeError("a shell word cannot hold a NUL byte");
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** One word of a systemd command line (systemd.service(5)): in double quotes, with no specifier and no variable left in it. */
export function systemdWord(word: string): string {
  if (/[\0\r\n]/.test(word)) throw new TypeError("a word of a unit file cannot hold a line break");
  return `"${word.replace(/[\\"]/g, "\\$&").replaceAll("%", "%%").replaceAll("$", "$$$$")}"`;
}

/** A NAME=value of Environment= (systemd.exec(5)): as a word, but there `$` means nothing. */
export function systemdAssignment(name: string, value: string): string {
  if (/[\0\r\n]/.test(value)) throw new TypeError("a value of a unit file cannot hold a line break");
  return `"${name}=${value.replace(/[\\"]/g, "\\$&").replaceAll("%", "%%")}"`;
}

/** One of a unit's list of paths (ReadWritePaths= and the like): as a word, but `$` means nothing there. */
export function systemdPath(path: string): string {
  if (/[\0\r\n]/.test(path)) throw new TypeError("a path in a unit file cannot hold a line break");
  return `"${path.replace(/[\\"]/g, "\\$&").replaceAll("%", "%%")}"`;
}
