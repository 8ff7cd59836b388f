const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Ctrl-C and its like as an AbortSignal, once: a second one ends us at once, and the kernel lets go of the lock. */
export function cancelling(): { readonly signal: AbortSignal } & Disposable {
  const cancel = new AbortController();
  const stop = () => cancel.abort();
  for (const signal of signals) process.once(signal, stop);
  return {
    signal: cancel.signal,
    [Symbol.dispose]: () => {
      for (const signal of signals) process.off(signal, stop);
    },
  };
}
