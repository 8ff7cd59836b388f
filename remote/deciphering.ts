/** What is known here of how ssh2 1.17.0 deciphers (protocol/crypto.js); the version is pinned, and test/e2e/connection.test.ts looks. */
import * as crypto from "node:crypto";
import type ssh2 from "ssh2";

interface ClientInside {
  readonly _protocol: {
    readonly _cipher: { _encKey?: Buffer | crypto.KeyObject };
    readonly _decipher?: { _decipherKey?: Buffer | crypto.KeyObject };
  };
}

const inside = (client: ssh2.Client) => (client as unknown as ClientInside)._protocol;

/**
 * Gives ssh2's AES-GCM, which sets up its cipher anew for every packet, the key as an object and not as bytes: Node 24 otherwise
 * spends more time on finding out what it was given than on deciphering (measured: 1.8 of 6.3 s in a pull of 1.1 GB).
 */
export function keepKeys(client: ssh2.Client): void {
  client.on("ready", () => {
    const { _cipher: cipher, _decipher: decipher } = inside(client);
    if (Buffer.isBuffer(cipher._encKey)) cipher._encKey = crypto.createSecretKey(cipher._encKey);
    if (Buffer.isBuffer(decipher?._decipherKey))
      decipher._decipherKey = crypto.createSecretKey(decipher._decipherKey);
  });
}

/**
 * Whether each packet is now deciphered into memory of its own, and nothing of what was read is kept. So does AES-GCM with Node's own
 * cipher, which every OpenSSH takes first; ssh2's addon and its other ciphers work in place, or keep a part until the rest comes.
 */
export const isDecipheredApart = (client: ssh2.Client): boolean =>
  inside(client)?._decipher?.constructor.name === "AESGCMDecipherNative";
