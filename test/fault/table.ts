/**
 * docs/reliability.md: its tables say what each fault comes to, and these tests are where they come from. A test fails when what it
 * sees is not what the table says; with WRITE_RELIABILITY=1 it writes it there instead.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { withLock } from "../../sandbox/lock.ts";

const file = path.resolve(import.meta.dirname, "../../docs/reliability.md");
const writing = process.env.WRITE_RELIABILITY === "1";

/** Compares one cell, named by the first cell of its row and the head of its column, or writes it. */
export async function outcome(row: string, column: string, seen: string): Promise<void> {
  if (writing) return write(row, column, seen);
  const said = find(fs.readFileSync(file, "utf8").split("\n"), row, column).text;
  assert.equal(
    seen,
    said,
    `docs/reliability.md, "${row}", "${column}". If that is how it ought to be, write it: WRITE_RELIABILITY=1`,
  );
}

/** What differs from machine to machine: written, never compared. */
export async function stated(row: string, column: string, text: string): Promise<void> {
  if (writing) await write(row, column, text);
}

/** The tests run side by side. */
async function write(row: string, column: string, text: string): Promise<void> {
  await withLock(path.join(os.tmpdir(), "borgpull-reliability.lock"), async () => {
    const lines = fs.readFileSync(file, "utf8").split("\n");
    const { line, cells, index } = find(lines, row, column);
    lines[line] = `| ${cells.with(index, text).join(" | ")} |`;
    fs.writeFileSync(`${file}.new`, lines.join("\n"));
    fs.renameSync(`${file}.new`, file);
  });
}

function find(lines: readonly string[], row: string, column: string) {
  const line = lines.findIndex((text) => text.startsWith(`| ${row} |`));
  if (line < 0) throw new Error(`docs/reliability.md has no row "${row}".`);
  const rule = lines.findLastIndex((text, at) => at < line && /^\|[-| ]+\|$/.test(text));
  const index = split(lines[rule - 1]).indexOf(column);
  if (index < 0) throw new Error(`docs/reliability.md has no column "${column}" in the table of "${row}".`);
  const cells = split(lines[line]);
  return { line, cells, index, text: cells[index] };
}

const split = (line = ""): string[] =>
  line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());
