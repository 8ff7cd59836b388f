/** Medians and how sure they are. */

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: median(sorted), least: sorted[0] ?? Number.NaN, most: sorted.at(-1) ?? Number.NaN };
}

/** Of values in order. */
function median(sorted: readonly number[]): number {
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2;
}

const samples = 10_000;

/**
 * The interval that holds the median in 95 of 100 cases: the percentile bootstrap (Efron 1979), always with the same random numbers, so that the
 * same values give the same interval.
 */
export function medianInterval(values: readonly number[]): readonly [low: number, high: number] {
  const random = generator(1);
  const medians = Array.from({ length: samples }, () => {
    const drawn = values.map(() => values[Math.floor(random() * values.length)] as number);
    return median(drawn.toSorted((a, b) => a - b));
  }).toSorted((a, b) => a - b);
  const at = (share: number) => medians[Math.round(share * (samples - 1))] ?? Number.NaN;
  return [at(0.025), at(0.975)];
}

/** mulberry32: good enough to draw from a handful of values. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
