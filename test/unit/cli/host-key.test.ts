import assert from "node:assert/strict";
import { once } from "node:events";
import * as net from "node:net";
import { test } from "node:test";
import { exitCodeOf, worst } from "../../../cli/exit-code.ts";
import { fingerprint, noKey, parseAddress, whatKeepsFrom } from "../../../cli/host-key.ts";

test("an address is a host, with a port or without", () => {
  assert.deepEqual(parseAddress("web1.example.com"), { host: "web1.example.com", port: 22 });
  assert.deepEqual(parseAddress("web1:2222"), { host: "web1", port: 2222 });
  assert.deepEqual(parseAddress("::1"), { host: "::1", port: 22 });
  assert.deepEqual(parseAddress("[fe80::1]:2222"), { host: "fe80::1", port: 2222 });
});

test("what ssh-keyscan could take for an option, and what is no address, is refused", () => {
  for (const bad of [
    "-oProxyCommand=x",
    "",
    "a b",
    "web1:",
    "web1:0",
    "web1:65536",
    "[web1]:22",
    "a:b:c",
    "web1;id",
  ]) {
    assert.throws(() => parseAddress(bad), /is not an address/, bad);
  }
});

test("a fingerprint is as ssh-keygen shows it", () => {
  const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINbd6N2HnyaRS5MPtd/T0PaLg+OtxzeFPnWB2BerfFKq";
  assert.equal(fingerprint(key), "ssh-ed25519 SHA256:b08MLl7LPjceBOhwj2PeZwVmCd2oPDh4KH3oyyk2tfo");
});

test("why there is no key is told apart: the name, the port, a silent host, another service", async () => {
  const server = net.createServer((socket) => socket.on("error", () => {}).end("hello\n"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const at = { host: "127.0.0.1", port: (server.address() as net.AddressInfo).port };
  const why = async (address: typeof at) => noKey(address, await whatKeepsFrom(address)).problem;
  assert.match(await why(at), /is open, but shows no host key/);
  server.close();
  await once(server, "close");
  assert.match(await why(at), /^127\.0\.0\.1 refuses connections to port \d+\.$/);
  assert.match(await why({ host: "nosuch.invalid", port: 22 }), /^The name nosuch\.invalid does not resolve/);
  assert.match(noKey(at, "ETIMEDOUT").problem, /does not answer on port/);
  assert.match(noKey(at, "EHOSTUNREACH").problem, /cannot be reached \(EHOSTUNREACH\)/);
});

test("the exit code of several runs is the one that needs a person most", () => {
  assert.equal(worst([0, 1, 0]), 1);
  assert.equal(worst([75, 1, 2]), 2);
  assert.equal(worst([0, 75]), 75);
  const failure = { kind: "unreachable", problem: "", remedy: "" } as const;
  assert.equal(exitCodeOf({ run: "", outcome: "failed", failure, warnings: [] }), 75);
  assert.equal(
    exitCodeOf({ run: "", outcome: "failed", failure: { ...failure, kind: "stalled" }, warnings: [] }),
    2,
  );
});
