import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import type { Socket } from "node:net";
import * as path from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { type Ledger, openLedger } from "../../pull/ledger.ts";
import { type Situation, tell } from "../../pull/notify.ts";
import type { Channel, Channels } from "../../schema/notify.ts";
import { homePaths } from "../../schema/paths.ts";
import { borgpull } from "../borgpull.ts";
import { jobData } from "../job-file.ts";
import { type Certificate, dumbServer, mailServer, makeCertificate, webServer } from "./notify-servers.ts";
import { makeHome, waitFor } from "./pull-fixture.ts";

let home: ReturnType<typeof makeHome>;
let certificate: Certificate;
let ledger: Ledger;
let number = 0;
/** A job of its own for each test, so that no channel of it has been told anything. */
let job: string;

before(() => {
  home = makeHome();
  certificate = makeCertificate(home.folder);
  ledger = openLedger(homePaths().stateDb);
});
beforeEach(() => {
  job = `job${++number}`;
});
after(() => {
  ledger?.[Symbol.dispose]();
  home?.[Symbol.dispose]();
});

const failed: Situation = {
  state: "failed",
  stale: false,
  problem: 'Es ging schief: \u202e\x1b[31m „nö" 💥\r\nX-Evil: yes',
  remedy: "Look.",
  lastRun: { run: "20261123t024116z-0a1b2c3d4e5f", started: 0, finished: 1, outcome: "failed", warnings: [] },
  lastGood: {
    run: "x",
    started: 0,
    finished: 0,
    ageSeconds: 1,
    archive: { name: "web1-20261122t024116z-0a1b2c3d4e5f", id: "ab".repeat(32) },
  },
};
const good: Situation = { state: "good", stale: false };

const told = (standing: Situation, notify: Channels, limitSeconds = 10) =>
  tell({ job: dataOf(notify), ledger, standing, limitSeconds });

const dataOf = (notify: Channels) => jobData({ job, repository: "/srv/x", passphraseFile: "/x", notify });

/** A file at home with a secret in it. */
function secret(text: string, mode = 0o600): string {
  const file = path.join(home.folder, `secret-${number}-${fs.readdirSync(home.folder).length}`);
  fs.writeFileSync(file, `${text}\n`, { mode });
  return file;
}

test("ntfy gets a POST with title, priority, tags and token; the text is clean", async () => {
  await using server = await webServer();
  const channel: Channel = { kind: "ntfy", url: `${server.url}/topic`, tokenFile: secret("tk_abc") };
  assert.deepEqual(await told(failed, { phone: channel }), []);
  assert.equal(server.arrived.length, 1);
  const [{ method, path: at, headers, body } = assert.fail()] = server.arrived;
  assert.deepEqual(
    [method, at, headers.title, headers.priority, headers.tags, headers.authorization],
    ["POST", "/topic", `Backup ${job}: failed`, "4", "x", "Bearer tk_abc"],
  );
  assert.match(body, /^Es ging schief: .*„nö" 💥 {2}X-Evil: yes\nLook\.\n/);
  assert.match(body, /Last good archive: web1-20261122t024116z/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none of these may arrive
  assert.doesNotMatch(body, /[\x00-\x09\x0b-\x1f\u202e]/);
});

test("a webhook gets the notice as JSON", async () => {
  await using server = await webServer();
  await told(failed, { hook: { kind: "webhook", url: `${server.url}/x?y=1` } });
  const [{ headers, path: at, body } = assert.fail()] = server.arrived;
  assert.equal(at, "/x?y=1");
  assert.equal(headers["content-type"], "application/json");
  const { time, problem, ...rest } = JSON.parse(body);
  assert.match(time, /^\d{4}-\d\d-\d\dT.*Z$/);
  assert.match(problem, /X-Evil/);
  assert.deepEqual(rest, {
    job,
    host: "nowhere.invalid",
    state: "failed",
    remedy: "Look.",
    archive: "web1-20261122t024116z-0a1b2c3d4e5f",
    run: "20261123t024116z-0a1b2c3d4e5f",
  });
});

test("a webhook's template makes the body, and its JSON holds whatever the text is", async () => {
  await using server = await webServer();
  const template = '{"content": "**{{job}}** {{state}}: {{problem}}"}';
  await told(failed, { chat: { kind: "webhook", urlFile: secret(server.url), template } });
  const { content } = JSON.parse(server.arrived[0]?.body ?? "");
  assert.match(content, new RegExp(`^\\*\\*${job}\\*\\* failed: Es ging schief: .*„nö"`));
});

test("a URL's own user and password go as a login, not as a part of the URL", async () => {
  await using server = await webServer();
  const url = server.url.replace("//", "//me:p%40ss@");
  assert.deepEqual(await told(failed, { hook: { kind: "webhook", url } }), []);
  assert.equal(
    server.arrived[0]?.headers.authorization,
    `Basic ${Buffer.from("me:p@ss").toString("base64")}`,
  );
});

test("mail goes out after STARTTLS and login, and its headers are ours alone", async () => {
  await using server = await mailServer({ ...certificate });
  const result = await notifyTest({
    kind: "mail",
    to: ["a@example.com", "b@example.com"],
    from: "home@example.com",
    host: "localhost",
    port: server.port,
    user: "me",
    passwordFile: secret("pass word"),
  });
  assert.deepEqual([result.code, result.stderr], [0, ""], result.stdout);
  const [{ from, to, encrypted, user, text } = assert.fail()] = server.delivered;
  assert.deepEqual(
    { from, to, encrypted, user },
    { from: "home@example.com", to: ["a@example.com", "b@example.com"], encrypted: true, user: "me" },
  );
  assert.match(text, new RegExp(`^Subject: \\[borgpull\\] Backup ${job}: test\r$`, "m"));
  assert.match(text, /^Auto-Submitted: auto-generated\r$/m);
  assert.match(text, /^Content-Type: text\/plain/m);
});

test("mail's text cannot become a header, and odd characters arrive", async () => {
  await using server = await mailServer({ authOptional: true, disabledCommands: ["STARTTLS", "AUTH"] });
  assert.deepEqual(await told(failed, { mail: { ...plainMail, port: server.port } }), []);
  const [head = "", ...body] = (server.delivered[0]?.text ?? "").split("\r\n\r\n");
  assert.doesNotMatch(head, /Evil/);
  assert.match(head, /^Content-Transfer-Encoding: (quoted-printable|base64)\r?$/m);
  assert.ok(body.length > 0);
});

test("mail over TLS from the beginning", async () => {
  await using server = await mailServer({ ...certificate, secure: true, authOptional: true });
  const { code, stdout } = await notifyTest({ ...plainMail, security: "tls", port: server.port });
  assert.equal(code, 0, stdout);
  assert.equal(server.delivered[0]?.encrypted, true);
});

const plainMail = {
  kind: "mail",
  to: "a@example.com",
  from: "home@example.com",
  host: "localhost",
  security: "none",
} as const;

for (const [what, options, problem] of [
  [
    "without STARTTLS nothing goes out in plain, no login either",
    { disabledCommands: ["STARTTLS"], allowInsecureAuth: true },
    /offers no STARTTLS, and nothing is sent in plain/,
  ],
  ["a mail server's certificate that nobody knows ends it before the login", {}, /certificate is not good/],
] as const) {
  test(what, async () => {
    await using server = await mailServer({ ...certificate, ...options });
    const login = { security: "starttls", user: "me", passwordFile: secret("pass word") } as const;
    const [sentence = ""] = await told(failed, { mail: { ...plainMail, ...login, port: server.port } });
    assert.match(sentence, problem);
    assert.deepEqual([server.delivered, server.logins], [[], []]);
  });
}

test("a login that is refused is named, without the password", async () => {
  await using server = await mailServer({ ...certificate });
  const { code, stdout } = await notifyTest({
    ...plainMail,
    security: "starttls",
    port: server.port,
    user: "me",
    passwordFile: secret("wrong"),
  });
  assert.equal(code, 2);
  assert.match(stdout, /it \(mail\) .* not told\n {2}localhost:\d+ refuses the login \(535\)/);
  assert.doesNotMatch(stdout, /wrong/);
});

test("a web server's certificate that nobody knows is refused before anything is sent", async () => {
  await using server = await webServer({ tls: certificate });
  const [sentence = ""] = await told(failed, { phone: { kind: "ntfy", url: server.url } });
  assert.match(
    sentence,
    /^phone \(ntfy\) was not told\. https:\/\/localhost:\d+ cannot be reached: its certificate/,
  );
  assert.deepEqual(server.arrived, []);
});

test("one that this machine trusts is taken", async () => {
  await using server = await webServer({ tls: certificate });
  const { code, stdout } = await notifyTest({ kind: "ntfy", url: server.url });
  assert.deepEqual([code, stdout], [0, `it (ntfy)  ${job}  told\n`]);
  assert.equal(server.arrived[0]?.headers.title, `Backup ${job}: test`);
});

for (const [what, says] of [
  ["never answers", () => {}],
  [
    "sends one byte after the other",
    (socket: Socket) => {
      const drip = setInterval(() => socket.write("2"), 50);
      socket.on("close", () => clearInterval(drip));
    },
  ],
] as const) {
  test(`a server that ${what} is left after the time limit, and its connection ended`, async () => {
    await using server = await dumbServer(says);
    const channels: Channels = {
      phone: { kind: "ntfy", url: `http://localhost:${server.port}` },
      mail: { ...plainMail, port: server.port },
      tls: { kind: "ntfy", url: `https://localhost:${server.port}` },
    };
    const sentences = await told(failed, channels, 0.5);
    assert.equal(sentences.length, 3, sentences.join("\n"));
    await waitFor("all connections' end", () => server.open() === 0);
    assert.deepEqual(known(channels), [undefined, undefined, undefined]);
  });
}

const known = (channels: Channels) => Object.keys(channels).map((name) => ledger.noticed(job, name)?.state);

test("one that is down does not keep the others from being told; it is tried again, they are not", async () => {
  await using up = await webServer();
  await using down = await webServer({
    answer: (_, response) => {
      response.statusCode = down.arrived.length > 1 ? 200 : 500;
      response.end("x".repeat(1 << 20));
    },
  });
  const channels: Channels = {
    up: { kind: "ntfy", url: up.url },
    down: { kind: "webhook", url: down.url },
  };
  assert.deepEqual(await told(failed, channels), [
    `down (webhook) was not told. ${down.url} answers with status 500. Look at that server.`,
  ]);
  assert.deepEqual(known(channels), ["failed", undefined]);
  assert.deepEqual(await told(failed, channels), []);
  assert.deepEqual([up.arrived.length, down.arrived.length], [1, 2]);
  assert.deepEqual(await told(good, channels), []);
  assert.deepEqual(
    up.arrived.map(({ headers }) => headers.title),
    [`Backup ${job}: failed`, `Backup ${job}: recovered`],
  );
});

test("what could not be told is on record, once a day", async () => {
  await using server = await webServer({
    answer: (_, response) => {
      response.statusCode = 403;
      response.end();
    },
  });
  const channels: Channels = { phone: { kind: "ntfy", url: server.url } };
  for (const _ of [1, 2]) await told(failed, channels);
  const events = ledger.events(job, 10);
  assert.deepEqual(
    events.map(({ kind, text }) => [kind, /answers with status 403/.test(text)]),
    [["notice", true]],
  );
});

test("a redirect is not followed: neither the notice nor the token goes elsewhere", async () => {
  await using other = await webServer();
  await using server = await webServer({
    answer: (_, response) => response.writeHead(302, { location: other.url }).end(),
  });
  const channel: Channel = { kind: "ntfy", url: server.url, tokenFile: secret("tk_abc") };
  const [sentence = ""] = await told(failed, { phone: channel });
  assert.match(sentence, /answers with a redirect \(302\)/);
  assert.deepEqual(other.arrived, []);
});

test("a secret that others may read is not used, and none is in a sentence", async () => {
  await using server = await webServer({
    answer: (request, response) => {
      response.statusCode = 404;
      response.end(request.url);
    },
  });
  const urlFile = secret(`${server.url}/very-secret?token=very-secret`);
  const channels: Channels = {
    open: { kind: "ntfy", urlFile: secret("https://x", 0o644) },
    token: { kind: "ntfy", url: server.url, tokenFile: secret("very\nsecret") },
    gone: { kind: "ntfy", urlFile: path.join(home.folder, "nowhere") },
    odd: { kind: "ntfy", urlFile: secret("file:///very-secret") },
    refused: { kind: "ntfy", urlFile },
    closed: { kind: "ntfy", urlFile: secret("http://localhost:1/very-secret") },
  };
  const sentences = await told(failed, channels);
  const expected = [
    /chmod 600/,
    /not one line/,
    /ENOENT/,
    /no http or https URL/,
    /status 404/,
    /nobody listens there/,
  ];
  for (const [index, pattern] of expected.entries()) assert.match(sentences[index] ?? "", pattern);
  assert.match(sentences[4] ?? "", new RegExp(`the URL in ${urlFile}`));
  assert.doesNotMatch(sentences.join(), /very/);
});

test("a command gets the notice in its environment and on stdin, and nothing of it is shell text", async () => {
  const out = path.join(home.folder, "told");
  const evil = `$(touch ${out}-evil) \`id\` ; "'`;
  const run = `env > ${out}.env; cat > ${out}.stdin; ls -1 /proc/self/fd > ${out}.fds`;
  const problem = await told({ ...failed, problem: evil }, { mine: { kind: "command", run } });
  assert.deepEqual(problem, []);
  const env = Object.fromEntries(
    fs
      .readFileSync(`${out}.env`, "utf8")
      .trim()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
  const {
    HOME: _h,
    USER: _u,
    LOGNAME: _l,
    PATH: _p,
    LANG: _a,
    PWD: _w,
    SHLVL: _s,
    _: _o,
    OLDPWD: _d,
    ...ours
  } = env;
  assert.deepEqual(ours, {
    BORGPULL_JOB: job,
    BORGPULL_HOST: "nowhere.invalid",
    BORGPULL_STATE: "failed",
    BORGPULL_BEFORE: "",
    BORGPULL_PROBLEM: evil,
    BORGPULL_REMEDY: "Look.",
    BORGPULL_ARCHIVE: "web1-20261122t024116z-0a1b2c3d4e5f",
    BORGPULL_RUN: "20261123t024116z-0a1b2c3d4e5f",
  });
  assert.equal(JSON.parse(fs.readFileSync(`${out}.stdin`, "utf8")).problem, evil);
  assert.equal(fs.existsSync(`${out}-evil`), false);
  // What this process was started with, and no more.
  assert.equal(
    fs.readFileSync(`${out}.fds`, "utf8"),
    execFileSync("ls", ["-1", "/proc/self/fd"], { encoding: "utf8" }),
  );
});

test("a command that fails is told with its last line", async () => {
  const run = "echo one; echo 'no \u001b[31msignal' >&2; exit 7";
  const [sentence] = await told(failed, { mine: { kind: "command", run } });
  assert.equal(
    sentence,
    "mine (command) was not told. Its command failed with exit code 7 (no  [31msignal). Try it by hand.",
  );
});

test("notify --test names each channel once, and what is wrong with it", async () => {
  await using server = await webServer();
  const phone: Channel = { kind: "ntfy", url: server.url };
  const hc: Channel = { kind: "healthchecks", url: `${server.url}/uuid` };
  const names = [`${job}a`, `${job}b`];
  for (const name of names) {
    const data = { ...dataOf({ phone, hc, bad: { kind: "command", run: `exit 3 # ${name}` } }), job: name };
    fs.writeFileSync(homePaths().jobFile(name), JSON.stringify(data), { mode: 0o600 });
  }
  const { code, stdout } = await borgpull(["notify", "--test"]);
  for (const name of names) fs.rmSync(homePaths().jobFile(name));
  assert.equal(code, 2);
  assert.deepEqual(stdout.trim().split("\n"), [
    `phone (ntfy)       ${names[0]}, ${names[1]}  told`,
    `hc (healthchecks)  ${names[0]}, ${names[1]}  told`,
    `bad (command)      ${names[0]}          not told`,
    "  Its command failed with exit code 3. Try it by hand.",
    `bad (command)      ${names[1]}          not told`,
    "  Its command failed with exit code 3. Try it by hand.",
  ]);
  assert.deepEqual(server.arrived.map(({ path: at }) => at).sort(), ["/", "/uuid/log"]);
});

test("notify without --test is a mistake of use; with no channel it says so", async () => {
  assert.equal((await borgpull(["notify"])).code, 64);
  const { code, stderr } = await borgpull(["notify", "--test"]);
  assert.equal(code, 2);
  assert.match(stderr, /There are no jobs to test/);
});

/** `borgpull notify --test` of the job with this one channel, on a machine that trusts the certificate. */
async function notifyTest(channel: Channel) {
  const file = homePaths().jobFile(job);
  fs.writeFileSync(file, JSON.stringify(dataOf({ it: channel })), { mode: 0o600 });
  try {
    return await borgpull(["notify", "--test", job], {
      env: { ...process.env, SSL_CERT_FILE: certificate.file },
    });
  } finally {
    fs.rmSync(file);
  }
}
