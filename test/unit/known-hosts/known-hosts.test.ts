import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, suite, test } from "node:test";
import { pinnedKeys } from "../../../known-hosts.ts";
import { UserError } from "../../../schema/errors.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "known-hosts-"));
after(() => fs.rmSync(folder, { recursive: true }));

function newKey(type: string): string {
  const file = fs.mkdtempSync(path.join(folder, "key-"));
  execFileSync("ssh-keygen", ["-q", "-t", type, "-N", "", "-f", `${file}/key`]);
  return fs.readFileSync(`${file}/key.pub`, "utf8").split(" ").slice(0, 2).join(" ");
}
const ed = newKey("ed25519");
const ec = newKey("ecdsa");

function knownHosts(...lines: readonly string[]): string {
  const file = path.join(fs.mkdtempSync(path.join(folder, "file-")), "known_hosts");
  fs.writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
  return file;
}
function hashed(file: string): string {
  execFileSync("ssh-keygen", ["-q", "-H", "-f", file], { stdio: "ignore" });
  assert.match(fs.readFileSync(file, "utf8"), /^\|1\|/);
  return file;
}
const web1 = { host: "web1.example.com", port: 22 };

suite("the keys that a known_hosts file pins", () => {
  test("all of a plain name's, in order, without comments", () => {
    const file = knownHosts(
      "# a comment",
      `web1.example.com ${ed} me`,
      `other ${ec}`,
      `web1.example.com,10.0.0.1 ${ec}`,
    );
    assert.deepEqual(pinnedKeys(file, web1), [ed, ec]);
    assert.deepEqual(pinnedKeys(file, { host: "10.0.0.1", port: 22 }), [ec]);
  });
  test("of a hashed name", () => {
    assert.deepEqual(pinnedKeys(hashed(knownHosts(`web1.example.com ${ed}`, `other ${ec}`)), web1), [ed]);
  });
  test("of a name in capitals", () => {
    const file = hashed(knownHosts(`web1.example.com ${ed}`));
    assert.deepEqual(pinnedKeys(file, { host: "Web1.Example.com", port: 22 }), [ed]);
  });
  test("of another port, also hashed, apart from the name's own", () => {
    const lines = [`web1.example.com ${ed}`, `[web1.example.com]:2222 ${ec}`];
    for (const file of [knownHosts(...lines), hashed(knownHosts(...lines))]) {
      assert.deepEqual(pinnedKeys(file, { ...web1, port: 2222 }), [ec]);
      assert.deepEqual(pinnedKeys(file, web1), [ed]);
      assert.deepEqual(pinnedKeys(file, { ...web1, port: 23 }), []);
    }
  });
  test("of a pattern", () => {
    assert.deepEqual(pinnedKeys(knownHosts(`*.example.com,!db.example.com ${ed}`), web1), [ed]);
    assert.deepEqual(pinnedKeys(knownHosts(`*.example.com,!web1.example.com ${ed}`), web1), []);
  });
  test("without a revoked one, wherever it stands", () => {
    const revoked = `@revoked * ${ed}`;
    assert.deepEqual(
      pinnedKeys(knownHosts(revoked, `web1.example.com ${ed}`, `web1.example.com ${ec}`), web1),
      [ec],
    );
    assert.deepEqual(pinnedKeys(knownHosts(`web1.example.com ${ed}`, revoked), web1), []);
  });
  test("without a certificate authority's", () => {
    assert.deepEqual(pinnedKeys(knownHosts(`@cert-authority *.example.com ${ed}`), web1), []);
  });
  test("once, when it is there twice", () => {
    assert.deepEqual(pinnedKeys(knownHosts(`web1.example.com ${ed}`, `web1.example.com ${ed}`), web1), [ed]);
  });
  test("none of a host or file that is not there", () => {
    assert.deepEqual(pinnedKeys(knownHosts(`other ${ed}`), web1), []);
    assert.deepEqual(pinnedKeys(knownHosts(), web1), []);
    assert.deepEqual(pinnedKeys(path.join(folder, "none"), web1), []);
  });
  test("none of lines that are no keys", () => {
    const file = knownHosts(
      "web1.example.com",
      "web1.example.com ssh-ed25519",
      "web1.example.com ssh-ed25519 nokey",
      `web1.example.com ${ed}`,
    );
    assert.deepEqual(pinnedKeys(file, web1), [ed]);
  });
  test("are an error to mend when the file cannot be searched", () => {
    assert.throws(() => pinnedKeys(folder, web1), UserError);
  });
});
