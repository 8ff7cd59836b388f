import { execFileSync } from "node:child_process";
import * as os from "node:os";

/** What it was measured on, in one line. */
export function machine(): string {
  const borg = execFileSync("borg", ["--version"], { encoding: "utf8" }).trim();
  const memory = `${Math.round(os.totalmem() / 2 ** 30)} GiB`;
  const load = `load ${os.loadavg()[0]?.toFixed(1)} before`;
  return `${os.cpus().length} x ${os.cpus()[0]?.model}, ${memory}, Linux ${os.release()}, Node ${process.version}, ${borg}, ${load}`;
}
