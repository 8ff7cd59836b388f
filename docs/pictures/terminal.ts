/** What a terminal shows, as a picture: text with ANSI colours to SVG. */

interface Style {
  readonly colour: string | undefined;
  readonly bold: boolean;
}

interface Span extends Style {
  readonly text: string;
}

const plain: Style = { colour: undefined, bold: false };
const background = "#16181d";
const foreground = "#d7dae0";
/** The sixteen colours of a terminal, for a dark ground. */
const palette: readonly string[] = [
  ...["#5c6370", "#f07178", "#8fcf73", "#e5c07b", "#6cb0f5", "#cf8ef4", "#56c8d8", "#d7dae0"],
  ...["#8a919e", "#ff8b92", "#a6e08a", "#f5d58f", "#8ac5ff", "#e0a8ff", "#73dcec", "#ffffff"],
];

/** Monospace: what a browser has is at most this wide, and textLength makes it exactly so. */
const character = { width: 7.25, height: 17, size: 12 };
const margin = 14;

/** One line with SGR sequences -> its spans; other sequences are dropped. */
export function spansOf(line: string): readonly Span[] {
  const spans: Span[] = [];
  let style = plain;
  for (const part of `m${line}`.split("\x1b[")) {
    const [, codes, text] = /^([\d;]*)m(.*)$/.exec(part) ?? [];
    style = styled(style, (codes ?? "").split(";").map(Number));
    if (text) spans.push({ ...style, text });
  }
  return spans;
}

/** The style after some SGR codes: reset, bold, the 16 colours and the first 16 of the 256. */
function styled(style: Style, codes: readonly number[]): Style {
  const [code, ...rest] = codes;
  if (code === undefined) return style;
  if (code === 38 && rest[0] === 5)
    return styled({ ...style, colour: palette[rest[1] ?? -1] }, rest.slice(2));
  return styled(simple(style, code), rest);
}

function simple(style: Style, code: number): Style {
  if (code === 0) return plain;
  if (code === 1) return { ...style, bold: true };
  if (code === 22) return { ...style, bold: false };
  if (code === 39) return { ...style, colour: undefined };
  if (code >= 30 && code <= 37) return { ...style, colour: palette[code - 30] };
  if (code >= 90 && code <= 97) return { ...style, colour: palette[code - 82] };
  return style;
}

const escapeXml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const number = (value: number): string => String(Math.round(value * 100) / 100);

/** A picture of these lines; `alt` is what a screen reader says. */
export function svg(lines: readonly string[], columns: number, alt: string): string {
  const width = number(columns * character.width + 2 * margin);
  const height = number(lines.length * character.height + 2 * margin);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escapeXml(alt)}</title>`,
    `<rect width="100%" height="100%" rx="6" fill="${background}"/>`,
    `<g font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace" font-size="${character.size}" fill="${foreground}" xml:space="preserve">`,
    ...lines.flatMap((line, row) => texts(spansOf(line), margin + (row + 0.75) * character.height)),
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}

/** Each word apart and placed by its column, so that columns stay columns in whatever font there is. */
function texts(spans: readonly Span[], y: number): readonly string[] {
  let column = 0;
  return spans.flatMap(({ text, colour, bold }) => {
    const start = column;
    column += text.length;
    return [...text.matchAll(/\S+(?: \S+)*/g)].map((words) => {
      const x = number(margin + (start + words.index) * character.width);
      const length = number(words[0].length * character.width);
      const look = `${colour ? ` fill="${colour}"` : ""}${bold ? ' font-weight="bold"' : ""}`;
      return `<text x="${x}" y="${number(y)}" textLength="${length}"${look}>${escapeXml(words[0])}</text>`;
    });
  });
}
