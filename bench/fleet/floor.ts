/** `node bench/fleet/floor.ts READINGS`: the floor itself, a process of its own, with nothing loaded that it does not need. */
import * as fs from "node:fs";
import ssh2 from "ssh2";
import type { Reading } from "./recorded.ts";

const readings = JSON.parse(fs.readFileSync(process.argv[2] as string, "utf8")) as readonly Reading[];
const [file = ""] = new Set(readings.map(({ target }) => target.auth));
const privateKey = fs.readFileSync(file);
await Promise.all(readings.map(read));

function read({ target, script, facts }: Reading): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const pinned = new Set(target.hostKeys.map((key) => key.split(" ")[1]));
  const client = new ssh2.Client();
  client.on("connect", () => client.setNoDelay(true)).on("error", reject);
  client.on("ready", () =>
    client.exec("/bin/sh -s", (error, channel) => {
      if (error) return reject(error);
      let output = "";
      channel.setEncoding("latin1");
      channel.on("data", (text: string) => {
        output += text;
      });
      channel.on("close", () => {
        client.end();
        const rows = output.split("\n").length - 2; // the heading, and what follows the last newline
        if (rows === facts) resolve();
        else reject(new Error(`${target.host}: ${rows} facts of ${facts}`));
      });
      channel.end(script);
    }),
  );
  client.connect({
    host: target.host,
    port: target.port,
    username: target.user,
    privateKey,
    authHandler: ["publickey"],
    algorithms: { serverHostKey: ["ssh-ed25519"] },
    hostVerifier: (key: Buffer) => pinned.has(key.toString("base64")),
  });
  return promise;
}
