/** Figures as a person reads them. */

/** 0.409 as "40%". */
export const percent = (share: number): string => `${Math.floor(share * 100)}%`;

/** 1203 as "1,203". */
export const count = (value: number): string => value.toLocaleString("en-US");

/** Decimal units, as borg's: "999 B", "1.5 kB", "96 MB". */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let scaled = value;
  let unit = 0;
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  const digits = unit > 0 && scaled < 9.95 ? 1 : 0;
  return `${scaled.toFixed(digits)} ${units[unit]}`;
}
