import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { clean, lineReader } from "../../../pull/lines.ts";
import { parseMessage, parseOutput } from "../../../pull/session/messages.ts";

test("lines come out the same however the bytes are cut", () => {
  const line = fc.string({ unit: "grapheme", maxLength: 40 }).map((text) => text.replace(/\n/g, " "));
  fc.assert(
    fc.property(fc.array(line), fc.infiniteStream(fc.integer({ min: 1, max: 7 })), (lines, sizes) => {
      const seen: string[] = [];
      const read = lineReader((text) => seen.push(text));
      const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(""));
      for (let at = 0; at < bytes.length; ) {
        const size = sizes.next().value as number;
        read(bytes.subarray(at, at + size));
        at += size;
      }
      assert.deepEqual(
        seen,
        lines.filter((text) => text.trim()),
      );
    }),
  );
});

test("a line without end takes no more than 32 KiB", () => {
  const seen: string[] = [];
  const read = lineReader((text) => seen.push(text));
  for (let i = 0; i < 100; i++) read(Buffer.alloc(65_536, "x"));
  read(Buffer.from("\nnext\n"));
  assert.deepEqual(
    seen.map(({ length }) => length),
    [32 * 1024, 4],
  );
});

test("cleaned text has no control character and a bounded length, whatever came", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 2000 }), (text) => {
      const cleaned = clean(text, 100);
      assert.ok(cleaned.length <= 100);
      assert.doesNotMatch(cleaned, /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
    }),
  );
});

test("no line makes the parser throw", () => {
  const lines = fc.oneof(
    fc.string(),
    fc.json(),
    fc.json().map((text) => `{"type":"archive_progress","x":${text}}`),
  );
  fc.assert(fc.property(lines, (line) => void parseMessage(line)));
});

test("borg's lines are told from text", () => {
  const progress =
    '{"original_size": 5, "compressed_size": 4, "deduplicated_size": -3, "nfiles": 2, "path": "etc/a\\u001bb", "type": "archive_progress"}';
  assert.deepEqual(parseMessage(progress), {
    type: "progress",
    files: 2,
    bytesRead: 5,
    bytesNew: 0,
    path: "etc/a b",
  });
  const log =
    '{"type": "log_message", "levelname": "CRITICAL", "name": "borg", "message": "m", "msgid": "LockTimeout"}';
  assert.deepEqual(parseMessage(log), { type: "log", level: "error", message: "m", msgid: "LockTimeout" });
  assert.deepEqual(parseMessage("sudo: unable to resolve host vps"), {
    type: "text",
    message: "sudo: unable to resolve host vps",
  });
  assert.equal(parseMessage('{"type": "archive_progress", "finished": true}'), undefined);
});

test("what came of a dump is a line for a person, a warning when it failed", () => {
  assert.deepEqual(parseMessage('{"dump": "shop\\u001b.sql", "code": 0, "bytes": 2000000}'), {
    type: "log",
    level: "info",
    msgid: "dump",
    message: "The dump shop .sql was made: 2.0 MB.",
    dump: "shop .sql",
  });
  assert.deepEqual(parseMessage('{"dump": "shop.sql", "code": 1, "bytes": 0}'), {
    type: "log",
    level: "warning",
    msgid: "dump",
    message: "The dump shop.sql failed with exit code 1, after 0 B.",
    dump: "shop.sql",
  });
  const last = { dump: "shop.sql", code: 127, bytes: 0, last: "usage\npg_dump: \x1b[31mnot found\n" };
  assert.match(
    JSON.stringify(parseMessage(JSON.stringify(last))),
    /failed with exit code 127, after 0 B: pg_dump: .\[31mnot found"/,
  );
  assert.equal(parseMessage('{"dump": "shop.sql", "bytes": 5}'), undefined, "it goes on");
});

test("what a hook or a dump says is its own, whatever it looks like", () => {
  const said = (data: object) => parseMessage(JSON.stringify(data));
  assert.deepEqual(said({ hook: "before", says: "borgctl: \u001b[31mall is well" }), {
    type: "command",
    message: "before hook: borgctl:  [31mall is well",
  });
  assert.deepEqual(said({ dump: "shop\n.sql", says: '{"dump":"shop.sql","code":1,"bytes":0}' }), {
    type: "command",
    message: 'dump shop .sql: {"dump":"shop.sql","code":1,"bytes":0}',
  });
  assert.equal(said({ hook: "before", says: "x".repeat(5000) })?.type, "command");
  assert.equal(said({ hook: "before", says: " \t" }), undefined);
  assert.equal(said({ hook: "before" }), undefined, "it goes on");
});

test("a progress of absurd numbers is none", () => {
  assert.equal(
    parseMessage(
      '{"type":"archive_progress","nfiles":-1,"original_size":1e400,"deduplicated_size":1,"path":""}',
    ),
    undefined,
  );
});

const greeting = '{"borgctl":"0.1.0","borg":"1.2.4","relay":"nc","privilege":"user"}';
const id = "ab".repeat(32);
const report = (change: object = {}) =>
  JSON.stringify(
    {
      archive: {
        id,
        name: "web1-run",
        duration: 2.5,
        stats: { nfiles: 1, original_size: 2, compressed_size: 3, deduplicated_size: 4 },
        ...change,
      },
      repository: { id: "x" },
    },
    null,
    4,
  );

test("borgctl's output is its greeting and borg's report", () => {
  const parsed = parseOutput(`${greeting}\n${report()}\n`);
  assert.equal(parsed.greeting?.borg, "1.2.4");
  assert.deepEqual(parsed.report, {
    id,
    name: "web1-run",
    figures: { files: 1, originalBytes: 2, compressedBytes: 3, newBytes: 4, seconds: 2.5 },
  });
});

test("a report that is not borg's is none", () => {
  assert.equal(parseOutput(`${greeting}\n${report({ id: "../../etc" })}\n`).report, undefined);
  assert.equal(parseOutput(`${greeting}\n{"archive":`).report, undefined);
  assert.deepEqual(parseOutput("Welcome to Debian\n"), {});
});
