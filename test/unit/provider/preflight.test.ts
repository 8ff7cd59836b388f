import assert from "node:assert/strict";
import { test } from "node:test";
import { missing } from "../../../provider/resources/preflight.ts";
import { type Capabilities, capabilities } from "../../../remote/facts/capabilities.ts";

/** Debian 12 as it comes with sudo, borg and netcat. */
const debian12: Capabilities = {
  os: "Debian GNU/Linux 12 (bookworm)",
  openssh: "9.2",
  systemd: "252",
  booted: "yes",
  sudo: "/usr/bin/sudo",
  sudoVersion: "1.9.13p3",
  visudo: "/usr/sbin/visudo",
  setpriv: "/usr/bin/setpriv",
  borg: "1.2.4",
  nc: "/usr/bin/nc",
  python3: "/usr/bin/python3",
  flock: "/usr/bin/flock",
  include: "yes",
};

test("a host with everything lacks nothing", () => {
  for (const privilege of ["read-all", "user", "root"] as const)
    assert.deepEqual(missing(debian12, privilege), []);
});

const cases: readonly (readonly [name: string, change: Partial<Capabilities>, sentence: RegExp])[] = [
  ["no borg", { borg: "" }, /borg is not installed: apt-get install borgbackup/],
  ["borg 1.1", { borg: "1.1.16" }, /borg 1\.1\.16 is not supported/],
  ["borg 2", { borg: "2.0.0b4" }, /borg 2\.0\.0b4 is not supported/],
  ["an old OpenSSH", { openssh: "8.3" }, /OpenSSH 8\.3 ignores Match in a drop-in/],
  ["no Include", { include: "" }, /sshd_config does not include drop-ins/],
  ["no sudo", { sudo: "", sudoVersion: "", visudo: "" }, /sudo is not installed/],
  [
    "a sudo without regular expressions",
    { sudoVersion: "1.9.9" },
    /sudo 1\.9\.9 takes no regular expressions/,
  ],
  ["no relay", { nc: "", python3: "" }, /Neither an nc/],
  ["a container without systemd", { booted: "" }, /systemd does not run here/],
  ["no setpriv", { setpriv: "" }, /setpriv is not installed/],
];
for (const [name, change, sentence] of cases) {
  test(`${name} is named, once, with its remedy`, () => {
    const found = missing({ ...debian12, ...change }, "read-all");
    assert.equal(found.length, 1, found.join(" "));
    assert.match(found[0] as string, sentence);
  });
}

test("all that is missing is named at once, and sudo is not needed for privilege user", () => {
  const bare = { ...debian12, borg: "", sudo: "", sudoVersion: "", visudo: "", setpriv: "" };
  assert.equal(missing(bare, "read-all").length, 3);
  assert.equal(missing(bare, "user").length, 1);
});

test("sudo 1.9.10 and 1.10 are new enough, 1.9.9 and 1.8.31p2 are not", () => {
  const with_ = (sudoVersion: string) => missing({ ...debian12, sudoVersion }, "root").length;
  assert.deepEqual(["1.9.10", "1.10.0", "2.0", "1.9.9", "1.8.31p2"].map(with_), [0, 0, 0, 1, 1]);
});

test("what the host prints is read key by key, and a key it does not print is missing", () => {
  const found = capabilities.parse(Buffer.from("os=Debian = 12\nborg=1.4.0\n"));
  assert.equal(found.os, "Debian = 12");
  assert.equal(found.borg, "1.4.0");
  assert.equal(found.sudo, "");
});
