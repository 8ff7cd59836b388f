import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import fc from "fast-check";
import { type Candidate, type Keep, retention } from "../../../pull/care/retention.ts";

const hour = 3600 * 1000;
const day = 24 * hour;

const count = fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined });
const keep = fc.record({ hourly: count, daily: count, weekly: count, monthly: count, yearly: count });
/** Archives of every trust, some of whose runs are not on record, over hours or over years. */
const archives = fc
  .constantFrom(30 * hour, 40 * day, 900 * day)
  .chain((span) =>
    fc.array(
      fc.record({
        trust: fc.constantFrom("good", "good", "good", "unconfirmed", "partial", "before-us", "foreign"),
        started: fc.option(fc.integer({ min: 0, max: span }), { nil: undefined, freq: 9 }),
        failedDumps: fc.constantFrom(undefined, undefined, ["shop"]),
      }),
      { maxLength: 50 },
    ),
  )
  .map((list) =>
    list.map(({ trust, started }, index): Candidate => {
      const id = String(index).padStart(3, "0");
      return { id, name: `web1-${id}`, trust, started: started && Date.UTC(2026, 1, 1) + started };
    }),
  );

const stayingIds = (list: readonly Candidate[], keep: Keep) =>
  retention(list, keep).flatMap(({ archive, stays }) => (stays ? [archive.id] : []));

const holds = (check: (list: readonly Candidate[], keep: Keep) => void) =>
  fc.assert(
    fc.property(archives, keep, (list, keep) => check(list, keep)),
    { numRuns: 500 },
  );

test("the newest good archive always stays", () => {
  holds((list, keep) => {
    const newest = list
      .filter(({ trust, started }) => trust === "good" && started !== undefined)
      .toSorted((a, b) => (b.started as number) - (a.started as number))[0];
    if (!newest) return;
    const same = list.filter(({ trust, started }) => trust === "good" && started === newest.started);
    const staying = stayingIds(list, keep);
    assert.ok(same.some(({ id }) => staying.includes(id)));
  });
});

test("what is not good stays, save what an interrupted run left before the newest good archive", () => {
  holds((list, keep) => {
    const newest = Math.max(...list.map(({ trust, started = -1 }) => (trust === "good" ? started : -1)));
    for (const { archive, stays } of retention(list, keep)) {
      const { trust, started = Number.POSITIVE_INFINITY } = archive;
      if (!stays) assert.ok(trust === "good" || (trust === "partial" && started < newest), trust);
    }
  });
});

test("each archive is decided on once, and a second prune finds nothing to remove", () => {
  holds((list, keep) => {
    const staying = stayingIds(list, keep);
    assert.equal(retention(list, keep).length, list.length);
    const left = list.filter(({ id }) => staying.includes(id));
    assert.deepEqual(stayingIds(left, keep), staying);
  });
});

test("at most as many good archives stay as the rules count together", () => {
  holds((list, keep) => {
    const wanted = Object.values(keep).reduce<number>((sum, count) => sum + (count ?? 0), 0);
    if (wanted === 0) return;
    const good = list.filter(({ trust, started }) => trust === "good" && started !== undefined);
    // The newest, where it lacks a dump, and the newest that lacks none count for no rule.
    const besides = good.some(({ failedDumps }) => failedDumps) ? 2 : 0;
    assert.ok(stayingIds(good, keep).length <= wanted + besides);
  });
});

test("where dumps have failed an older archive of the day that has them goes before, and the newest of both kinds stay", () => {
  const at = (day: number, hour: number, failed = false): Candidate => ({
    id: `${day}-${hour}`,
    name: `${day}-${hour}`,
    trust: "good",
    started: new Date(2026, 10, day, hour).getTime(),
    ...(failed ? { failedDumps: ["shop"] } : {}),
  });
  const list = [at(20, 3), at(21, 3), at(21, 9, true), at(22, 3, true), at(22, 9, true), at(23, 9, true)];
  assert.deepEqual(stayingIds(list, { daily: 3 }), ["23-9", "22-9", "21-3"]);
  assert.deepEqual(stayingIds(list, { daily: 1 }), ["23-9", "21-3"]);
});

test("archives of a time to come stay and take nobody's place: a clock was wrong when they were made", () => {
  const now = new Date(2026, 10, 22, 12).getTime();
  const at = (id: string, time: Date): Candidate => ({
    id,
    name: id,
    trust: "good",
    started: time.getTime(),
  });
  const list = [
    at("ahead-2", new Date(2036, 0, 2)),
    at("ahead-1", new Date(2036, 0, 1)),
    at("today", new Date(2026, 10, 22, 3)),
    at("yesterday", new Date(2026, 10, 21, 3)),
    at("older", new Date(2026, 10, 20, 3)),
  ];
  const staying = retention(list, { daily: 2 }, now).flatMap(({ archive, stays }) =>
    stays ? archive.id : [],
  );
  assert.deepEqual(staying, ["ahead-2", "ahead-1", "today", "yesterday"]);
});

test("without a rule all stay", () => {
  const list: Candidate[] = [1, 2, 3].map((n) => ({ id: `${n}`, name: `${n}`, trust: "good", started: n }));
  assert.deepEqual(stayingIds(list, {}), ["3", "2", "1"]);
});

describe("as borg prune itself decides, over archives of these times", () => {
  /** A change to summer time, the week 53 that belongs to the year before, the last of a month, hours of one day. */
  const times = [
    "2024-02-29T23:30:00",
    "2024-03-01T00:30:00",
    "2024-12-30T12:00:00",
    "2025-01-01T00:10:00",
    "2025-12-29T06:00:00",
    "2026-01-03T22:59:00",
    "2026-01-04T23:01:00",
    "2026-03-29T00:30:00",
    "2026-03-29T01:30:00",
    "2026-10-25T00:30:00",
    "2026-10-25T01:30:00",
    "2026-10-25T02:30:00",
    "2026-10-26T02:30:00",
    "2026-10-26T17:00:00",
  ];
  const rules: readonly Keep[] = [
    { hourly: 3 },
    { daily: 3, weekly: 2, monthly: 2, yearly: 1 },
    { hourly: 2, weekly: 5 },
    { monthly: 4, yearly: 10 },
    { hourly: 2, daily: 2, weekly: 2, monthly: 2, yearly: 2 },
    { weekly: 50 },
  ];
  let folder: string;
  let repository: string;
  const borg = async (args: readonly string[], zone = "UTC") => {
    const env = { PATH: process.env.PATH, LANG: "C.UTF-8", TZ: zone, BORG_BASE_DIR: folder };
    const options = { cwd: folder, env: { ...env, BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes" } };
    return (await promisify(execFile)("borg", [...args], options)).stderr;
  };

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "retention-"));
    repository = path.join(folder, "repository");
    fs.writeFileSync(path.join(folder, "file"), "x");
    await borg(["init", "--encryption=none", repository]);
    for (const time of times) await borg(["create", `--timestamp=${time}`, `${repository}::${time}`, "file"]);
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  for (const zone of ["UTC", "Europe/Berlin", "America/Los_Angeles"]) {
    test(`in ${zone}`, async () => {
      const before = process.env.TZ;
      process.env.TZ = zone;
      try {
        for (const keep of rules) {
          const options = Object.entries(keep).map(([rule, count]) => `--keep-${rule}=${count}`);
          const said = await borg(["prune", "--dry-run", "--list", ...options, repository], zone);
          const list = times.map(
            (name) => ({ id: name, name, trust: "good", started: Date.parse(`${name}Z`) }) as const,
          );
          const decided = retention(list, keep).map(({ archive, why, stays }) => [
            archive.name,
            stays ? why : "-",
          ]);
          assert.deepEqual(decided, decisionsOf(said), JSON.stringify(keep));
        }
      } finally {
        if (before === undefined) delete process.env.TZ;
        else process.env.TZ = before;
      }
    });
  }

  /** "Keeping archive (rule: daily #1): <name> <time> [<id>]" and "Would prune: <name> ...", the newest first. */
  function decisionsOf(said: string): readonly (readonly [string, string])[] {
    return said
      .trim()
      .split("\n")
      .map((line) => {
        const found = /^(?:Keeping archive \(rule: (.+)\)|Would prune): +(\S+) /.exec(line);
        assert.ok(found, line);
        return [found[2] as string, found[1] ?? "-"] as const;
      });
  }
});
