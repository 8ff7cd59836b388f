/** What is said of a few measurements: the median, and how sure it is. */

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: medianOf(sorted), least: sorted[0] ?? Number.NaN, most: sorted.at(-1) ?? Number.NaN };
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

export interface Interval {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** That the true median is between them: 0.94 for five values, whatever their distribution is. */
  readonly confidence: number;
}

/**
 * The sign test's interval of the median: from the k-th least value to the k-th most, with the largest k that leaves nine in ten. With few
 * values it is all of them.
 */
export function intervalOf(values: readonly number[]): Interval {
  const sorted = values.toSorted((a, b) => a - b);
  const n = sorted.length;
  let k = 1;
  while (k < n / 2 && confidence(n, k + 1) >= 0.9) k++;
  return {
    median: medianOf(sorted),
    low: sorted[k - 1] ?? Number.NaN,
    high: sorted[n - k] ?? Number.NaN,
    confidence: confidence(n, k),
  };
}

/** 1 - 2 P(fewer than k of n coins show heads) */
function confidence(n: number, k: number): number {
  let tail = 0;
  let choose = 1;
  for (let heads = 0; heads < k; heads++) {
    tail += choose / 2 ** n;
    choose = (choose * (n - heads)) / (heads + 1);
  }
  return Math.max(0, 1 - 2 * tail);
}
