import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseSshdT, settingsInForce, sshdState } from "../../../remote/facts/sshd.ts";

const keyword = fc.stringMatching(/^[a-z][a-z0-9]{0,20}$/).filter((word) => word !== "port");
const value = fc.stringMatching(/^[ -~]{0,30}$/);

test("every keyword of sshd -T is read, whatever its value", () => {
  fc.assert(
    fc.property(fc.dictionary(keyword, value), (settings) => {
      const text = ["port 22", ...Object.entries(settings).map(([key, text]) => `${key} ${text}`)].join("\n");
      assert.deepEqual(parseSshdT(text), { port: "22", ...settings });
    }),
  );
});

test("a keyword on several lines has all its values", () => {
  assert.equal(parseSshdT("port 22\nacceptenv LANG\nacceptenv LC_*\n")?.acceptenv, "LANG LC_*");
});

test("what sshd says when it refuses its configuration is not read as settings", () => {
  assert.equal(
    parseSshdT("/etc/ssh/sshd_config.d/60.conf: line 3: Bad configuration option: Foo\nfailed 255\n"),
    undefined,
  );
});

test("a setting that holds keeps its wanted spelling, one that does not shows sshd's", () => {
  const alone = { clientaliveinterval: "300", permittty: "no" };
  const wanted = { ClientAliveInterval: "5m", PermitTTY: "no" };
  assert.deepEqual(settingsInForce(wanted, { clientaliveinterval: "300", permittty: "yes" }, alone), {
    ClientAliveInterval: "5m",
    PermitTTY: "yes",
  });
});

test("the three parts of the fact are told apart", () => {
  const output = Buffer.from("port 22\npermittty no\n== alone\nport 22\npermittty no\n== loaded\nno\n");
  const state = sshdState("borgpull", "/x").parse(output);
  assert.equal(state.effective?.permittty, "no");
  assert.equal(state.alone?.permittty, "no");
  assert.equal(state.loaded, false);
});
