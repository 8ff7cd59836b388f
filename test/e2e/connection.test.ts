/** What remote/ does to ssh2's insides for speed, against a real sshd: an ssh2 that has changed would fail here, or only be slow. */
import assert from "node:assert/strict";
import * as crypto from "node:crypto";
import { after, before, test } from "node:test";
import type ssh2 from "ssh2";
import { type Connection, connect } from "../../remote/connect.ts";
import { isDecipheredApart } from "../../remote/deciphering.ts";
import { type Host, type Lab, openLab } from "../../sandbox/lab.ts";
import { reloadSshd } from "./pull-fixture.ts";

let lab: Lab;
let host: Host;
before(async () => {
  lab = await openLab();
  host = await lab.boot({ name: "web1", base: "debian12", login: "root" });
});
after(() => lab[Symbol.asyncDispose]());

interface Inside {
  readonly _protocol: {
    readonly _cipher: { readonly _encKey: unknown };
    readonly _decipher: { readonly _decipherKey: unknown };
  };
}

test("the ciphers of a connection have their keys as objects", async () => {
  await using connection = await connect(host.target());
  const { _cipher, _decipher } = (connection.client as unknown as Inside)._protocol;
  assert.ok(_cipher._encKey instanceof crypto.KeyObject);
  assert.ok(_decipher._decipherKey instanceof crypto.KeyObject);
});

for (const [when, setting, apart] of [
  ["by AES-GCM", "", true],
  ["while sshd changes keys again and again", "RekeyLimit 4M", true],
  ["by ChaCha20", "Ciphers chacha20-poly1305@openssh.com", false],
  ["by AES-CTR", "Ciphers aes256-ctr", false],
] as const) {
  test(`a hundred megabytes come as they were sent, ${when}`, async () => {
    await host.run(`cat > /etc/ssh/sshd_config.d/cipher.conf`, { stdin: `${setting}\n` });
    await reloadSshd(host);
    await using connection = await connect(host.target());
    assert.equal(isDecipheredApart(connection.client), apart);
    const make = "seq 1 13000000";
    const { stdout } = await connection.exec(`${make} | sha256sum`);
    assert.equal(await digestOf(connection, make), stdout.toString().split(" ")[0]);
  });
}

function digestOf({ client }: Connection, command: string): Promise<string> {
  const hash = crypto.createHash("sha256");
  return new Promise((resolve, reject) => {
    client.exec(command, (error, channel: ssh2.ClientChannel) => {
      if (error) return reject(error);
      channel.on("data", (data: Buffer) => hash.update(data));
      channel.on("close", () => resolve(hash.digest("hex")));
    });
  });
}
