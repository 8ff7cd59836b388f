import assert from "node:assert/strict";
import { once } from "node:events";
import * as net from "node:net";
import { after, before, beforeEach, test } from "node:test";
import { openProgram, type Program } from "./program.ts";

let program: Program;
/** Where every host of these configs is said to be: whoever connects is counted. */
let listener: net.Server;
let connections = 0;

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKVXGgHmsWzJDFN4RCSJvr5hCDJD1oRvt4OLzGzsOZ3J";
/** Each an instance of its own: several of them on one machine are no mistake then. */
const right = (instance: string) => {
  const { port } = listener.address() as net.AddressInfo;
  const identity = program.lab.adminKeyFile;
  return { address: "127.0.0.1", port, instance, identity, hostKey, paths: ["/etc"] };
};

before(async () => {
  program = await openProgram([]);
  listener = net.createServer((socket) => {
    connections++;
    socket.on("error", () => {}).destroy();
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
});

beforeEach(() => {
  connections = 0;
});

after(async () => {
  listener?.close();
  await program?.[Symbol.asyncDispose]();
});

const nothingOfOurs = /at .*\.ts:\d|node_modules|UserError|RunError|ZodError|unhandled/;

test("a right config reaches the host, so that a connection would be noticed", async () => {
  await program.configure({ web1: right("one") });
  const { out } = await program.preview();
  assert.ok(connections > 0, out);
});

test("every mistake of a config is an error with its path and remedy, and no host is connected to", async () => {
  const { hostKey: _, ...withoutKey } = right("one");
  const job = { paths: ["/etc"] };
  await program.configure(
    {
      web1: withoutKey,
      web2: { ...right("two"), compresion: "zstd" },
      web3: { ...right("three"), paths: ["var/www"] },
      web4: { ...right("four"), repository: "/srv/backup/one" },
      web5: { ...right("five"), repository: "/srv/backup/one/" },
      web6: { ...right("six"), schedule: "every day at noonish" },
      web7: { ...right("seven"), paths: undefined, jobs: { "a/b": job } },
      web8: { ...right("eight"), paths: undefined, jobs: { ["x".repeat(200)]: job } },
      "web/9": right("nine"),
    },
    { intervall: "1h" },
  );
  for (const { code, out } of [await program.preview(), await program.up()]) {
    assert.notEqual(code, 0);
    for (const mistake of [
      /hosts\.web1\.hostKey: missing\. Run: npx borgpull host-key /,
      /hosts\.web2\.compresion: unknown option\. Did you mean compression\?/,
      /hosts\.web3\.paths\[0\]: "?var\/www"? /,
      /hosts\.web5\.repository: \/srv\/backup\/one is the repository of hosts\.web4 already/,
      /hosts\.web6\.schedule: .*every day at noonish/,
      /hosts\.web7\.jobs\.a\/b: not a name that a job or host can have\. Write /,
      /hosts\.web8\.jobs\.x{40,}[.]*: not a name that a job or host can have\. Write /,
      /hosts\.web\/9: not a name that a job or host can have\. Write /,
      /intervall: unknown option\. Known here: /,
      /error: 9 mistakes in the configuration, and nothing was touched/,
    ]) {
      assert.match(out, mistake);
    }
    assert.doesNotMatch(out, nothingOfOurs);
  }
  assert.equal(connections, 0);
});

test("a host that is no group of options is an error too", async () => {
  await program.configure({ web1: "web1.example.com" });
  const written = await program.preview();
  assert.notEqual(written.code, 0);
  assert.match(written.out, /hosts\.web1: /);
  assert.doesNotMatch(written.out, nothingOfOurs);
  assert.equal(connections, 0);
});
