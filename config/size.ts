const units = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 } as const;

/** "500GB", "1.5TB" -> bytes, decimal units as borg's; undefined for anything else and for nothing. */
export function sizeBytes(text: string): number | undefined {
  const [, digits = "", unit = ""] = /^([0-9]{1,6}(?:\.[0-9]{1,3})?) ?(B|kB|MB|GB|TB)$/.exec(text) ?? [];
  const bytes = Math.round(Number(digits) * units[unit as keyof typeof units]);
  return bytes > 0 ? bytes : undefined;
}
