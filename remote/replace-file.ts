import * as crypto from "node:crypto";
import * as fs from "node:fs/promises";
import * as path from "node:path";

/** Writes a file of this user's whole or not at all, 0600, making its folders 0700; durable when it returns. */
export async function replaceFile(file: string, content: string): Promise<void> {
  const folder = path.dirname(file);
  await fs.mkdir(folder, { recursive: true, mode: 0o700 });
  const temp = path.join(folder, `.borgpull.${crypto.randomBytes(6).toString("hex")}`);
  try {
    await fs.writeFile(temp, content, { mode: 0o600, flag: "wx", flush: true });
    await fs.rename(temp, file);
  } catch (error) {
    await fs.rm(temp, { force: true });
    throw error;
  }
  const handle = await fs.open(folder);
  await handle.sync().finally(() => handle.close());
}
