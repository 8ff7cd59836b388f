/** A booted VPS, a home, and jobs whose connection goes over a link of the test. Runs are the real command, in processes of their own. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { fileURLToPath } from "node:url";
import { type Base, type Host, openLab } from "../../sandbox/lab.ts";
import type { JobFile } from "../../schema/job-file.ts";
import { homePaths, vpsPaths } from "../../schema/paths.ts";
import { editJob, furnishVps, makeHome, makeJob, put, reloadSshd, settings } from "../e2e/pull-fixture.ts";
import { type Link, openLink } from "./link.ts";
import { stated } from "./table.ts";

/** Of this a test knows what must come back out of every archive. */
export const witness = { path: "/srv/witness", text: "as it was\n" } as const;

export interface Job {
  readonly name: string;
  readonly file: string;
  readonly repository: string;
  readonly link: Link;
}

export interface Stage extends AsyncDisposable {
  readonly host: Host;
  /** Everything of home is below it. */
  readonly folder: string;
  job(name: string): Promise<Job>;
}

export interface Ended {
  readonly code: number | null;
  readonly text: string;
}

export interface Running {
  readonly child: ChildProcess & { readonly pid: number };
  readonly ended: Promise<Ended>;
}

export interface StageOptions {
  readonly base?: Base;
  /** sshd finds out after so long that a client is gone; 180 is what borgpull sets up. @default 6 */
  readonly sshdNoticesSeconds?: number;
}

export async function openStage(options: StageOptions = {}): Promise<Stage> {
  const lab = await openLab();
  const home = makeHome();
  const host = await lab.boot({ name: "vps", base: options.base ?? "debian12", login: "root" });
  await stateVersions(host);
  const links: Link[] = [];
  return {
    host,
    folder: home.folder,
    job: async (name) => {
      const file = await makeJob(home, host, name);
      if (links.length === 0) await furnish(host, name, options.sshdNoticesSeconds ?? 6);
      else await addJob(host, name);
      const link = await openLink({ host: host.address, port: 22 });
      links.push(link);
      editJob(file, (job) => ({ ...job, pull: { ...job.pull, host: "127.0.0.1", port: link.port } }));
      const { repository } = JSON.parse(fs.readFileSync(file, "utf8")) as JobFile;
      return { name, file, repository, link };
    },
    [Symbol.asyncDispose]: async () => {
      for (const link of links) await link[Symbol.asyncDispose]();
      await lab[Symbol.asyncDispose]();
      home[Symbol.dispose]();
    },
  };
}

/** For the reader of the table. */
async function stateVersions(host: Host): Promise<void> {
  const first = (text: string) => text.trim().split("\n")[0];
  const borg = first(execFileSync("borg", ["--version"], { encoding: "utf8" }));
  const system = /^PRETTY_NAME="(.*)"$/m.exec(fs.readFileSync("/etc/os-release", "utf8"))?.[1];
  await stated("home", "software", `${system}; ${borg}; Node ${process.version}`);
  const there = await host.run("borg --version; sshd -V 2>&1 | grep -o 'OpenSSH_[^, ]*' | head -1");
  await stated(`VPS, ${host.base}`, "software", there.trim().split("\n").join("; "));
}

async function furnish(host: Host, job: string, sshdNoticesSeconds: number): Promise<void> {
  await furnishVps(host, job);
  await settings(host, job, { roots: ["/srv"] });
  await put(host, witness.path, "644", witness.text);
  const { dropIn } = vpsPaths("borgpull");
  await host.run(
    `sed -i 's/ClientAliveInterval .*/ClientAliveInterval ${sshdNoticesSeconds / 3}/; s/ClientAliveCountMax .*/ClientAliveCountMax 3/' ${dropIn}`,
  );
  await reloadSshd(host);
}

/** One more job on the same VPS. */
async function addJob(host: Host, job: string): Promise<void> {
  const { authorizedKeys } = vpsPaths("borgpull");
  const key = fs.readFileSync(`${homePaths().pullKey(job)}.pub`, "utf8").trim();
  const line = `restrict,port-forwarding,permitlisten="localhost:1",permitopen="localhost:1",command="exec ${vpsPaths("borgpull").borgctl} ${job}" ${key}\n`;
  await host.run(`cat >> ${authorizedKeys}`, { stdin: line });
  await settings(host, job, { roots: ["/srv"] });
}

const cli = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

/** `borgpull VERB JOB` under way. */
export function begin(job: Job, verb = "run", ...options: readonly string[]): Running {
  const child = spawn(process.execPath, [cli, verb, job.name, ...options], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (data: string) => {
      text += data;
    });
  }
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, text }));
  return { child: child as Running["child"], ended };
}

export const limits = (job: Job, change: Partial<JobFile["limits"]>): void =>
  editJob(job.file, (data) => ({ ...data, limits: { ...data.limits, ...change } }));
