import { fit } from "./fit.ts";

/** One line of a terminal that is written over; elsewhere only what is said stays. */
export function statusLine() {
  const terminal = process.stderr.isTTY;
  const clear = () => {
    if (terminal) process.stderr.write("\r\x1b[K");
  };
  return {
    clear,
    show: (text: string) => {
      if (terminal) process.stderr.write(`\r\x1b[K${fit(text, (process.stderr.columns ?? 80) - 1)}`);
    },
    say: (text: string) => {
      clear();
      console.error(text);
    },
  };
}
