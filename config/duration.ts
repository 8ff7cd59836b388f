const units = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 } as const;

/** "36h", "30m", "1d12h" -> seconds; undefined for anything else, nothing and zero included. */
export function durationSeconds(text: string): number | undefined {
  if (!/^([0-9]{1,6}[smhdw])+$/.test(text)) return undefined;
  const parts = text.match(/[0-9]+[smhdw]/g) ?? [];
  const seconds = parts.reduce(
    (sum, part) => sum + Number.parseInt(part, 10) * units[part.at(-1) as keyof typeof units],
    0,
  );
  return seconds > 0 ? seconds : undefined;
}
