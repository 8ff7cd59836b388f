/** What a pull key is worth to its thief when he uses it as it is meant to be used: the files of its job, and nothing else. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, suite, test } from "node:test";
import type { JobOptions } from "../../config/options.ts";
import type { Host } from "../../sandbox/lab.ts";
import { addJob, furnish } from "./furnished.ts";
import { type Client, openssh } from "./openssh.ts";
import { type OwnRepository, ownRepository } from "./own-repository.ts";
import { workshop } from "./workshop.ts";

const { lab, folder } = await workshop();

for (const base of ["debian12", "debian13"] as const)
  suite(`the thief of a pull key of a ${base}`, () => {
    let host: Host;
    let keys: string;
    let thief: Client;
    let own: OwnRepository;

    const job: JobOptions = { paths: ["/srv/web"], exclude: ["/srv/web/private"] };
    /** The job's line anew, with these options besides. */
    const narrow = (options: Partial<JobOptions>) => addJob(host, "web1", keys, { ...job, ...options });
    /** "in", "kept out" by sshd itself, or what else came of it. */
    const login = async () => {
      const { code, stderr } = await own.pull(thief, `run-${Date.now()}`);
      if (code === 0) return "in";
      return code === 255 && /Permission denied \(publickey\)/.test(stderr) ? "kept out" : stderr;
    };

    before(async () => {
      host = await lab.boot({ name: base, base, login: "root" });
      keys = fs.mkdtempSync(path.join(folder, "keys-"));
      await host.run(`mkdir -p /srv/web/private /srv/mail
        echo page > /srv/web/page; echo hers > /srv/web/hers; echo secret > /srv/web/private/key; echo mail > /srv/mail/box
        chown nobody /srv/web/hers; chmod 600 /srv/web/hers; ln -s /etc/shadow /srv/web/link`);
      // OpenSSH 10 shuts out an address after a few refusals: here each refusal is to be the key line's own.
      if (base === "debian13") {
        await host.run("echo 'PerSourcePenalties no' > /etc/ssh/sshd_config.d/10-penalties.conf");
      }
      await furnish(host);
      thief = openssh(host, await addJob(host, "web1", keys, job), folder);
      await addJob(host, "mail", keys, { paths: ["/srv/mail"] });
      own = await ownRepository(folder, "web1");
    });
    after(async () => {
      await own?.[Symbol.asyncDispose]();
      await host?.remove();
    });

    test("gets the files of its job into a repository of his own, whoever may read them there", async () => {
      const { code, stderr } = await own.pull(thief, "stolen-run-1");
      assert.equal(code, 0, stderr);
      assert.deepEqual(
        new Map([...(await own.files())].toSorted()),
        new Map([
          ["/srv/web/hers", "hers\n"],
          ["/srv/web/page", "page\n"],
        ]),
        "not what is left out, not what a link points to, not another job's",
      );
    });

    test("cannot choose what is backed up, by the run's name or by the repository", async () => {
      for (const request of [
        "create mail run-12345",
        "create run-12345 /etc",
        "create run-12345 --exclude=x",
      ]) {
        const { code, stdout } = await thief.ssh([], request);
        assert.deepEqual([code, stdout], [201, ""]);
      }
      await using other = await ownRepository(folder, "mail");
      assert.notEqual((await other.pull(thief, "stolen-run-2")).code, 0, "borg asks for ./web1");
      assert.deepEqual([...(await other.files())], []);
    });

    test("is kept out by from= anywhere else, and let in where home is", async () => {
      await narrow({ from: ["192.0.2.7", "198.51.100.0/24"] });
      assert.equal(await login(), "kept out");
      await narrow({ from: [`!${lab.address}`, "*"] });
      assert.equal(await login(), "kept out");
      await narrow({ from: ["192.0.2.7", lab.address] });
      assert.equal(await login(), "in");
    });

    test("is kept out from the key's last day on, by the VPS's own clock and calendar", async () => {
      const day = async (words: string) => (await host.run(`date -d '${words}' +%F`)).trim();
      await narrow({ expiry: await day("tomorrow") });
      assert.equal(await login(), "in");
      await narrow({ expiry: await day("today") });
      assert.equal(await login(), "kept out");
      await narrow({ expiry: await day("yesterday") });
      assert.equal(await login(), "kept out");
      await narrow({});
      assert.equal(await login(), "in");
    });
  });
