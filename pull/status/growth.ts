/** How large a repository was after a run. */
export interface Size {
  /** When the run began, milliseconds since 1970. */
  readonly started: number;
  readonly repositoryBytes: number;
}

const week = 7 * 86_400_000;
/** Four weeks: longer than the time between two prunes, so that what they free is counted too. */
export const growthMilliseconds = 4 * week;

/**
 * How much a repository grew a week, from its sizes of the last four weeks; it may be less than nothing.
 * @param sizes the youngest first
 * @returns bytes; undefined when they are less than a week apart
 */
export function growthPerWeek(sizes: readonly Size[], now: number): number | undefined {
  const recent = sizes.filter(({ started }) => started >= now - growthMilliseconds);
  const [youngest, oldest] = [recent[0], recent.at(-1)];
  if (!youngest || !oldest || youngest.started - oldest.started < week) return undefined;
  const grown = youngest.repositoryBytes - oldest.repositoryBytes;
  return Math.round((grown * week) / (youngest.started - oldest.started));
}
