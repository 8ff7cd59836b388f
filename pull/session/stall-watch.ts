import { timerMilliseconds } from "../../schema/timer.ts";

/** So often is looked whether anything came: what counts is time in which this process ran, not that of a machine asleep or of a Ctrl-Z. */
const looks = 20;

/** Its signal fires when `alive` was not called for so long. */
export function stallWatch(
  seconds: number,
): Disposable & { readonly signal: AbortSignal; readonly alive: () => void } {
  const controller = new AbortController();
  let quiet = 0;
  const look = () => {
    if (++quiet > looks) controller.abort();
  };
  const timer = setInterval(look, timerMilliseconds(seconds) / looks);
  return {
    signal: controller.signal,
    alive: () => {
      quiet = 0;
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
