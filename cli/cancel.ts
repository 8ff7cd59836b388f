const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Ctrl-C and its like as an AbortSignal, once: a second one ends us at once, and the kernel lets go of the lock. */
export function cancelling(): { readonly signal: AbortSignal } & Disposable {
  const cancel = new AbortController();
  const leave = () => {
    for (const signal of signals) process.off(signal, stop);
  };
  // It stays for the first one too: the library that shows the cursor again (signal-exit) ends us where nobody else listens.
  const stop = (signal: NodeJS.Signals) => {
    if (!cancel.signal.aborted) return cancel.abort();
    leave();
    process.kill(process.pid, signal);
  };
  for (const signal of signals) process.on(signal, stop);
  return { signal: cancel.signal, [Symbol.dispose]: leave };
}
