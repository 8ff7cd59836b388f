/** Takes a repository's log back to a segment. Nothing is deleted, and every step can be done again: who was killed begins anew. */
import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../../schema/errors.ts";
import { segmentFilesOf } from "../segments/files.ts";
import { syncFolder, writeDurably } from "../trust/config-file.ts";

export interface MoveAside {
  readonly repository: string;
  /** The last one that stays. */
  readonly segment: number;
  /** Takes what is moved; inside the repository, so that a rename is all it takes. borg looks at nothing there. */
  readonly aside: string;
  /** What the repository's config must be; undefined to leave it. */
  readonly config: string | undefined;
  /** Told before each step. */
  readonly onStep: (step: string) => void;
}

/** The repository's `nonce` stays what it is: a counter of AES-CTR must never go backwards. @throws UserError */
export function moveAside(options: MoveAside): void {
  try {
    const { repository, aside, segment, onStep } = options;
    fs.mkdirSync(aside, { recursive: true, mode: 0o700 });
    for (const name of indexFiles(repository, segment)) {
      onStep(`moving ${name}`);
      move(path.join(repository, name), path.join(aside, name));
    }
    // From the end, so that what is left is a log at every moment.
    for (const file of segmentFilesOf(repository).toReversed()) {
      if (file.segment <= segment) break;
      onStep(`moving segment ${file.segment}`);
      move(path.join(repository, file.file), path.join(aside, file.file));
    }
    onStep("trimming transactions");
    trimTransactions(options);
    onStep("putting the config back");
    putConfigBack(options);
    onStep("making it durable");
    for (const folder of [...foldersIn(aside), ...foldersIn(path.join(repository, "data")), repository]) {
      syncFolder(folder);
    }
  } catch (cause) {
    const { code, path: file } = cause as NodeJS.ErrnoException;
    if (code === undefined) throw cause;
    throw new UserError(
      `The rollback stopped at ${file ?? options.repository} (${code}).`,
      "Mend that and run it again: it goes on where it was.",
      { cause },
    );
  }
}

/** Whether a rollback into this folder has taken anything of the log. */
export const tookSegments = (aside: string): boolean => fs.existsSync(path.join(aside, "data"));

/** What borg knows of another state of the log than the one that stays. */
const indexFiles = (repository: string, segment: number): readonly string[] =>
  fs
    .readdirSync(repository)
    .filter((name) => /^(index|hints|integrity)\.\d+/.test(name) && !name.endsWith(`.${segment}`));

/** Never over what an earlier attempt has put there. */
function move(from: string, to: string): void {
  fs.mkdirSync(path.dirname(to), { recursive: true, mode: 0o700 });
  let free = to;
  for (let n = 2; fs.existsSync(free); n++) free = `${to}.${n}`;
  fs.renameSync(from, free);
}

/** The record that borg serve --append-only keeps: a line a transaction, "transaction 17, UTC time ...". */
function trimTransactions({ repository, aside, segment }: MoveAside): void {
  const file = path.join(repository, "transactions");
  if (!fs.existsSync(file)) return;
  const text = fs.readFileSync(file, "utf8");
  const trimmed = text
    .split(/(?<=\n)/)
    .filter((line) => !(Number(/^transaction (\d+)/.exec(line)?.[1]) > segment))
    .join("");
  if (trimmed === text) return;
  keep(aside, "transactions", text);
  writeDurably(file, trimmed);
}

function putConfigBack({ repository, aside, config }: MoveAside): void {
  if (config === undefined) return;
  const file = path.join(repository, "config");
  if (fs.existsSync(file)) keep(aside, "config", fs.readFileSync(file, "utf8"));
  writeDurably(file, config); // there is a config at every moment
}

function keep(aside: string, name: string, text: string): void {
  const file = path.join(aside, name);
  if (!fs.existsSync(file)) writeDurably(file, text);
}

/** A folder and all folders below it. */
const foldersIn = (folder: string): readonly string[] => [
  folder,
  ...fs
    .readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(entry.parentPath, entry.name)),
];
