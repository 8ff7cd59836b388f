/** A small disk of its own for a folder, and filling it up. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";

export interface Disk extends Disposable {
  /** To the last byte, with a file of that disk. */
  fill(): void;
  empty(): void;
  grow(size: string): void;
}

/** Mounts a tmpfs on the folder, made if it is missing. @param size as mount takes it, such as "24m" */
export function mountDisk(folder: string, size: string): Disk {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size},mode=700`, "tmpfs", folder]);
  const filler = path.join(folder, "filler");
  return {
    fill: () => {
      const file = fs.openSync(filler, "w");
      try {
        for (let block = 1 << 20; block >= 1; ) {
          try {
            fs.writeSync(file, Buffer.alloc(block));
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
            block >>= 1;
          }
        }
      } finally {
        fs.closeSync(file);
      }
    },
    empty: () => fs.rmSync(filler),
    grow: (to) => execFileSync("mount", ["-o", `remount,size=${to}`, folder]),
    [Symbol.dispose]: () => execFileSync("umount", ["--lazy", folder]),
  };
}
