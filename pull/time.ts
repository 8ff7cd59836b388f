/** More than clocks that are kept in step ever differ by, in milliseconds. */
export const clockSlack = 3600_000;

/** Whether a time on record is yet to come: a clock was wrong, then or now. Both in milliseconds since 1970. */
export const isAhead = (time: number, now: number): boolean => time > now + clockSlack;

/** A moment by home's clock and in home's time zone: "2026-11-22 03:15". */
export function localTime(milliseconds: number): string {
  const time = new Date(milliseconds);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}`;
}
