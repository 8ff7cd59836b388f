import assert from "node:assert/strict";
import { test } from "node:test";
import { changeOf, type Told } from "../../../pull/notify/change.ts";
import { type Notice, noticeOf, textOf, titleOf } from "../../../pull/notify/notice.ts";
import { headerText } from "../../../pull/notify/ntfy.ts";
import { fillTemplate } from "../../../pull/notify/webhook.ts";
import type { Tellable } from "../../../schema/notify.ts";
import { jobData } from "../../job-file.ts";

const job = jobData({ repository: "/srv/web1", passphraseFile: "/etc/web1" });

/** What a channel hears while a job goes through these states. */
function heard(states: readonly Told[], on?: readonly Tellable[]): readonly string[] {
  let before: string | undefined;
  return states.map((state) => {
    const { tell, remember } = changeOf(before, state, on);
    before = remember ?? before;
    return tell ?? "-";
  });
}

/** The same, of a job whose last good backup is too old from one point on. */
function heardWhenStale(
  steps: readonly (readonly [Told, boolean])[],
  on?: readonly Tellable[],
): readonly string[] {
  let before: string | undefined;
  return steps.map(([state, stale]) => {
    const { tell, remember } = changeOf(before, state, on, stale);
    before = remember ?? before;
    return tell ?? "-";
  });
}

test("a backup that gets stale while something worse is so is news of its own, told once", () => {
  const life = [
    ["failed", false],
    ["failed", true],
    ["failed", true],
    ["tampered", true],
    ["stale", true],
    ["good", false],
    ["failed", false],
    ["failed", true],
  ] as const;
  assert.deepEqual(heardWhenStale(life), [
    "failed",
    "stale",
    "-",
    "tampered",
    "stale",
    "recovered",
    "failed",
    "stale",
  ]);
  assert.deepEqual(heardWhenStale(life, ["stale", "recovered"]), [
    ...["-", "stale", "-", "-", "-", "recovered", "-", "stale"],
  ]);
  assert.deepEqual(heardWhenStale(life, ["failed", "recovered"]), [
    ...["failed", "-", "-", "-", "-", "recovered", "failed", "-"],
  ]);
});

for (const [what, states, expected, on] of [
  ["a good job says nothing", ["never", "good", "good"], ["-", "-", "-"]],
  [
    "each change is told once",
    ["good", "failed", "failed", "tampered", "tampered", "good", "good"],
    ["-", "failed", "-", "tampered", "-", "recovered", "-"],
  ],
  ["a channel that is new hears of trouble that is there", ["stale"], ["stale"]],
  [
    "warnings are not told unless they are wanted",
    ["warning", "failed", "warning", "good"],
    ["-", "failed", "recovered", "-"],
  ],
  [
    "dumps that failed are told once, and that they are made again",
    ["good", "dumps-failed", "dumps-failed", "warning", "dumps-failed", "failed"],
    ["-", "dumps-failed", "-", "recovered", "dumps-failed", "failed"],
  ],
  [
    "where they are not wanted they are warnings",
    ["dumps-failed", "warning", "good", "dumps-failed"],
    ["warning", "-", "recovered", "warning"],
    ["warning", "recovered"],
  ],
  [
    "warnings that are wanted are a state of their own",
    ["warning", "warning", "failed", "warning", "good"],
    ["warning", "-", "failed", "warning", "recovered"],
    ["warning", "failed", "recovered"],
  ],
  [
    "trouble that is not wanted is no recovery of the one that was told",
    ["failed", "tampered", "failed", "good"],
    ["failed", "-", "-", "recovered"],
    ["failed", "recovered"],
  ],
  [
    "without recovered a second failure is told again after a good run",
    ["failed", "good", "failed"],
    ["failed", "-", "failed"],
    ["failed"],
  ],
] as const satisfies readonly (readonly [
  string,
  readonly Told[],
  readonly string[],
  (readonly Tellable[])?,
])[]) {
  test(what, () => assert.deepEqual(heard(states, on), expected));
}

const notice: Notice = {
  job: "web1",
  host: "web1.example.com:22",
  state: "failed",
  time: "2026-11-23T02:41:00.000Z",
  problem: 'borg said "no"\\',
};

test("what a VPS says reaches a notice without control characters and bounded", () => {
  const problem = `\u202e\x1b[2J\r\nSubject: x${"y".repeat(9000)}`;
  const made = noticeOf({
    job,
    state: "failed",
    before: "good",
    situation: { problem, remedy: problem },
    now: 0,
  });
  const text = textOf(made);
  assert.ok(text.length < 1500, `${text.length}`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none of these may be left
  assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\u202e]/);
  assert.match(titleOf(made), /^Backup web1: failed$/);
});

test("a header is as it is in ASCII, and encoded words of at most 75 characters otherwise", () => {
  assert.equal(headerText("Backup web1: failed"), "Backup web1: failed");
  const odd = `Sicherung für wéb1 ${"🗄".repeat(40)}\r\nX-Evil: 1`;
  const words = headerText(odd).split(" ");
  assert.ok(words.every((word) => /^=\?UTF-8\?B\?[A-Za-z0-9+/=]+\?=$/.test(word) && word.length <= 75));
  const back = words.map((word) => Buffer.from(word.slice(10, -2), "base64").toString()).join("");
  assert.equal(back, odd);
  assert.match(
    headerText("=?UTF-8?B?AA==?="),
    /^=\?UTF-8\?B\?PT9V/,
    "what looks encoded is encoded once more",
  );
});

test("in a JSON template a field is safe between quotes, and json brings its own", () => {
  const made = fillTemplate(
    '{"text": "{{job}}: {{problem}}", "problem": {{json problem}}, "run": {{json run}}, "all": {{json this}} }',
    "application/json; charset=utf-8",
    notice,
  );
  const { text, problem, run, all } = JSON.parse(made);
  assert.deepEqual(
    { text, problem, run, all: all.problem },
    { text: `web1: ${notice.problem}`, problem: notice.problem, run: "", all: notice.problem },
  );
});

test("in a template of plain text a field is as it is", () => {
  const made = fillTemplate(
    "{{job}} {{problem}} {{json problem}}{{#if run}} {{run}}{{/if}}",
    "text/plain",
    notice,
  );
  assert.equal(made, `web1 ${notice.problem} ${JSON.stringify(notice.problem)}`);
});

test("in a form a field is encoded: what a VPS says adds no field of its own", () => {
  const hostile = { ...notice, problem: "x&priority=-2 é+" };
  const made = fillTemplate("message={{problem}}&user=me", "application/x-www-form-urlencoded", hostile);
  assert.deepEqual(Object.fromEntries(new URLSearchParams(made)), { message: hostile.problem, user: "me" });
});

for (const [what, template, problem] of [
  ["a field that there is not", "{{prblem}}", /prblem/],
  ["what is no template", "{{#if}", /cannot be filled/],
  ["three braces in a row", '{"a": {{json problem}}}', /Between }} and }/],
  ["what makes no JSON", '{"a": {{problem}} }', /not JSON/],
] as const) {
  test(`${what} is refused with a sentence`, () => {
    assert.throws(() => fillTemplate(template, "application/json", notice), problem);
  });
}
