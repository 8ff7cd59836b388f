/** Milliseconds for a timer of Node: one of more than 24.8 days would fire at once. */
export const timerMilliseconds = (seconds: number): number => Math.min(seconds * 1000, 2 ** 31 - 1);
