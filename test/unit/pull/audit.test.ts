import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { attempts } from "../../../pull/audit/attempts.ts";
import { type Expected, failures, judge, type Seen } from "../../../pull/audit/judge.ts";

const ran = (code: number | undefined, stdout = "", stderr = ""): Seen => ({
  kind: "ran",
  code,
  stdout,
  stderr,
});
const refusedBy = (code: number): Expected => ({ kind: "borgctl", code });

suite("what an attempt met is judged", () => {
  const cases: readonly (readonly [string, Expected, Seen, string, boolean])[] = [
    ["a refusal", { kind: "refused" }, { kind: "refused" }, "refused", true],
    ["a connection that sshd ends", { kind: "refused" }, { kind: "cut" }, "hung up on", true],
    ["what should be refused and is granted", { kind: "refused" }, { kind: "granted" }, "granted", false],
    [
      "silence, which is no refusal",
      { kind: "refused" },
      { kind: "silent", seconds: 10 },
      "let in: no refusal within 10 s",
      false,
    ],
    ["what must be granted", { kind: "granted" }, { kind: "granted" }, "granted", true],
    ["what must be granted and is not", { kind: "granted" }, { kind: "refused" }, "refused", false],
    ["borgctl's refusal", refusedBy(201), ran(201, "", "borgctl: a run's name ...\n"), "refused (201)", true],
    ["borgctl's refusal for another reason", refusedBy(201), ran(203), "refused (203)", false],
    ["sshd's refusal instead of borgctl's", refusedBy(200), { kind: "refused" }, "refused", true],
    [
      "something else with borgctl's code",
      refusedBy(200),
      ran(200, "uid=0\n"),
      "ran, exit 200: uid=0",
      false,
    ],
    [
      "a shell, by its last line",
      refusedBy(200),
      ran(0, "Welcome\n\nborgpull-audit-42\n"),
      "ran, exit 0: borgpull-audit-42",
      false,
    ],
    ["what ran and was ended", refusedBy(200), ran(undefined), "ran, was ended", false],
    [
      "a login by key alone",
      { kind: "methods", methods: ["publickey"] },
      methods("publickey"),
      "publickey",
      true,
    ],
    [
      "a login by password besides",
      { kind: "methods", methods: ["publickey"] },
      methods("publickey", "password"),
      "publickey, password",
      false,
    ],
    [
      "a login without anything",
      { kind: "methods", methods: ["publickey"] },
      methods(),
      "none needed",
      false,
    ],
    ["two sessions", { kind: "sessions", open: 2 }, { kind: "sessions", open: 2 }, "2", true],
    ["more sessions", { kind: "sessions", open: 2 }, { kind: "sessions", open: 4 }, "4", false],
    ["fewer sessions", { kind: "sessions", open: 2 }, { kind: "sessions", open: 1 }, "1", false],
    ["a pull that works", { kind: "works" }, { kind: "works" }, "works", true],
    ["a pull that does not", { kind: "works" }, { kind: "failed", problem: "no borg" }, "no borg", false],
  ];
  for (const [name, expected, seen, text, holds] of cases)
    test(name, () => {
      const attempt = judge("it", expected, seen);
      assert.deepEqual({ seen: attempt.seen, holds: attempt.holds }, { seen: text, holds });
    });

  test("and is fit for a terminal, whatever the host says", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 3000 }), (text) => {
        const { seen, holds } = judge("it", refusedBy(200), ran(0, text));
        // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
        assert.doesNotMatch(seen, /[\x00-\x1f\x7f-\x9f]/);
        assert.ok(seen.length < 110);
        assert.equal(holds, false);
      }),
    );
  });

  test("and what does not hold is said in a sentence each", () => {
    const attempt = judge("a shell", refusedBy(200), ran(0));
    assert.deepEqual(failures([attempt, judge("sftp", refusedBy(200), ran(200))]), [
      'a shell: expected "refused (200)", seen "ran, exit 0".',
    ]);
  });
});

suite("the attempts", () => {
  const all = attempts({ instance: "cellar", job: "web1", run: "20250101t000000z-abcdef", methods: [] });

  test("have names of their own", () => {
    assert.equal(new Set(all.map(({ tried }) => tried)).size, all.length);
  });

  test("end with the one that ends the connection", () => {
    assert.equal(all.at(-1)?.tried, "a run's name of 1 MB");
  });

  test("would make no file that anything reads: a run's socket, or one named after the audit", async () => {
    const paths: string[] = [];
    const note = async (at: object): Promise<Seen> => {
      if ("path" in at) paths.push(String(at.path));
      return { kind: "refused" };
    };
    const nothing = async (): Promise<Seen> => ({ kind: "refused" });
    for (const trial of all)
      await trial.run({ listen: note, open: nothing, request: nothing, run: nothing, sessions: nothing });
    assert.ok(paths.length > 5);
    for (const path of paths)
      assert.match(
        path,
        /^\/.*\/cellar-audit\.sock$|^\/run\/cellar-audit\/|^\/run\/cellar\/20250101t000000z-abcdef\.sock$/,
      );
  });
});

function methods(...names: string[]): Seen {
  return { kind: "methods", methods: names };
}
