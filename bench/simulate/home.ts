/** Home's side of the fleet: job files, keys, repositories and records of N jobs, copied from those of one. No borg looks at the copies. */
import * as fs from "node:fs";
import * as path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Original, substitute, wordsOf } from "./names.ts";

/** What the records say of the one job that nobody else's may say: of its repository, its run and its archive. */
export function idsOf(stateDb: string, name: string): readonly string[] {
  using database = new DatabaseSync(stateDb, { readOnly: true });
  const row = database
    .prepare("SELECT run, archive_id FROM runs WHERE job = ? AND outcome = 'good'")
    .get(name) as {
    run: string;
    archive_id: string;
  };
  const { repository } = database
    .prepare("SELECT repository FROM archives WHERE id = ?")
    .get(row.archive_id) as {
    repository: string;
  };
  const tail = row.run.split("-").at(-1) as string; // the time before it is the same for all
  return [repository, row.archive_id, tail];
}

/** Makes so many jobs of the one that is there. */
export function copyHome(
  folders: readonly string[],
  stateDb: string,
  original: Original,
  hosts: number,
): void {
  const files = folders.flatMap((folder) => filesOf(folder, original.name));
  for (let n = 1; n < hosts; n++) for (const file of files) copyFile(file, original, n);
  copyRecords(stateDb, original, hosts);
}

function filesOf(folder: string, name: string): readonly string[] {
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => file.includes(name));
}

/** What has none of the words in it is the same file under another name. */
function copyFile(file: string, original: Original, n: number): void {
  const words = wordsOf(original, n);
  const to = substitute(file, words);
  fs.mkdirSync(path.dirname(to), { recursive: true, mode: 0o700 });
  const content = fs.readFileSync(file, "latin1");
  const own = substitute(content, words);
  if (own === content) fs.linkSync(file, to);
  else fs.writeFileSync(to, own, { encoding: "latin1", mode: fs.statSync(file).mode });
}

/** Each row that has one of the words, once more in each job's words; a number that only counts rows is given anew. */
function copyRecords(stateDb: string, original: Original, hosts: number): void {
  using database = new DatabaseSync(stateDb);
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all() as {
    name: string;
  }[];
  const words = [original.name, ...original.ids];
  database.exec("BEGIN");
  for (const { name: table } of tables) {
    const rows = (database.prepare(`SELECT * FROM ${table}`).all() as Record<string, unknown>[])
      .map((row) => Object.entries(row).filter(([column]) => column !== "number"))
      .filter((row) =>
        row.some(([, value]) => typeof value === "string" && words.some((word) => value.includes(word))),
      );
    for (const row of rows) {
      const names = row.map(([column]) => column);
      const insert = database.prepare(
        `INSERT INTO ${table} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
      );
      for (let n = 1; n < hosts; n++) {
        const own = wordsOf(original, n);
        insert.run(
          ...row.map(([, value]) =>
            typeof value === "string" ? substitute(value, own) : (value as number | null),
          ),
        );
      }
    }
  }
  database.exec("COMMIT");
}
