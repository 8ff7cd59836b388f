/** More than clocks that are kept in step ever differ by: what began later than this from now is yet to come, as a clock was wrong. */
export const clockSlack = 3600_000;

/** A moment by home's clock and in home's time zone: "2026-11-22 03:15". */
export function localTime(milliseconds: number): string {
  const time = new Date(milliseconds);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}`;
}
