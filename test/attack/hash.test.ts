/** The verb `hash`: what the holder of a pull key may ask about files, and what he learns by it; its input by itself: test/unit/templates/hash. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, suite, test } from "node:test";
import type { JobOptions } from "../../config/options.ts";
import type { Host } from "../../sandbox/lab.ts";
import { waitFor } from "../e2e/pull-fixture.ts";
import { addJob, furnish } from "./furnished.ts";
import { type Client, openssh } from "./openssh.ts";
import { ownRepository } from "./own-repository.ts";
import { workshop } from "./workshop.ts";

const { lab, folder } = await workshop();
const job: JobOptions = { paths: ["/srv/web", "/srv/one"], exclude: ["/srv/web/private", "*.key"] };

type Answer = {
  readonly size?: number;
  readonly sha256?: string;
  readonly ctime?: string;
  readonly error?: string;
};

for (const base of ["debian12", "debian13"] as const)
  suite(`hash on a ${base}`, () => {
    let host: Host;
    let client: Client;
    const ask = (stdin: string) => client.ssh([], "hash run-20300101", { stdin, timeoutSeconds: 90 });
    const hash = async (...files: readonly string[]): Promise<readonly Answer[]> => {
      const { code, stdout, stderr } = await ask(files.map((file) => `${file}\0`).join(""));
      assert.equal(code, 0, stderr);
      return stdout
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Answer);
    };
    const errors = async (...files: readonly string[]) => (await hash(...files)).map(({ error }) => error);

    before(async () => {
      host = await lab.boot({ name: base, base, login: "root" });
      await host.run(`mkdir -p /srv/web/private /srv/web/deep/er /srv/mail /srv/web/mount; cd /srv/web
        echo page > page; echo hers > hers; chown nobody hers; chmod 600 hers; printf x > "$(printf 'new\\nline $(id) * \\047')"
        echo secret > private/key; echo secret > deep/a.key; echo deep > deep/er/file; echo one > /srv/one; echo mail > /srv/mail/box
        ln -s /etc/shadow link; ln -s /srv/mail away; ln -s deep inside; ln /srv/mail/box hard; mkfifo pipe; mknod device c 10 130
        head -c 20M /dev/urandom > big
        mount -t tmpfs none mount; echo other > mount/file`);
      await furnish(host);
      client = openssh(host, await addJob(host, "web1", folder, job), folder);
    });
    after(() => host?.remove());

    test("gives size, ctime and SHA-256 of files of the job, whoever may read them, in the order asked for", async () => {
      const [page, hers, odd, one, deep, big] = await hash(
        "/srv/web/page",
        "/srv/web/hers",
        "/srv/web/new\nline $(id) * '",
        "/srv/one",
        "/srv/web/deep/er/file",
        "/srv/web/big",
      );
      const sha256 = (content: string | Buffer) => createHash("sha256").update(content).digest("hex");
      const { ctimeNs } = fs.statSync(path.join(host.root, "srv/web/page"), { bigint: true });
      assert.deepEqual(page, { ctime: String(ctimeNs), size: 5, sha256: sha256("page\n") });
      assert.deepEqual(
        [hers, odd, one, deep, big].map((answer) => answer?.sha256),
        [
          sha256("hers\n"),
          sha256("x"),
          sha256("one\n"),
          sha256("deep\n"),
          sha256(fs.readFileSync(path.join(host.root, "srv/web/big"))),
        ],
      );
    });

    test("gives nothing of what the job does not back up: elsewhere, excluded, on another file system", async () => {
      assert.deepEqual(
        await errors(
          ...["/etc/shadow", "/srv/mail/box", "/srv/webmail", "/srv", "/", "/proc/self/environ"],
          ...["/srv/web/private/key", "/srv/web/deep/a.key", "/srv/web/mount/file"],
          ...["/var/cache/borgpull/canary/mail", "/etc/borgpull/jobs/web1.conf"],
        ),
        Array(11).fill("not-in-this-job"),
      );
    });

    test("follows no link, opens nothing but files, and finds what is not there gone", async () => {
      assert.deepEqual(
        await errors(
          ...["/srv/web/link", "/srv/web/away/box", "/srv/web/inside/er/file", "/srv/web/page/x"],
          ...["/srv/web/pipe", "/srv/web/device", "/srv/web/deep", "/srv/web", "/srv/web/none"],
        ),
        Array(9).fill("gone"),
      );
    });

    test("tells what the canary of the last run is, which no exclude of a person's can drop", async () => {
      const exclude = ["*", "pf:/var/cache/borgpull/canary/web1"];
      await addJob(host, "web1", folder, { paths: ["/var/cache/borgpull", "/srv/web"], exclude });
      await using own = await ownRepository(folder, "web1");
      const { code, stderr } = await own.pull(client, "canary-run-1");
      assert.equal(code, 0, stderr);
      const canary = "/var/cache/borgpull/canary/web1";
      assert.deepEqual([...(await own.files({ canary: true }))], [[canary, "canary-run-1\n"]]);
      const [answer] = await hash(canary);
      assert.equal(answer?.sha256, createHash("sha256").update("canary-run-1\n").digest("hex"));
      assert.equal(
        await host.run(`stat -c '%U %a' ${canary} ${path.dirname(canary)}`),
        "root 600\nroot 700\n",
      );
    });

    // What follows is borgctl's, the same everywhere.
    const once = { skip: base !== "debian12" };

    test("refuses what is no list of paths, without a word on stdout", once, async () => {
      for (const stdin of [
        "",
        "/srv/web/../mail/box\0",
        "/srv/web/page\0".repeat(101),
        "x".repeat(1 << 20),
      ]) {
        const { code, stdout, stderr } = await ask(stdin);
        assert.deepEqual([code, stdout], [219, ""], `${JSON.stringify(stdin.slice(0, 30))}: ${stderr}`);
      }
    });

    test("takes no other words than a run's name", once, async () => {
      for (const words of [
        "hash",
        "hash web1 run-20300101",
        "hash run-20300101 /etc/shadow",
        "hash $(id)-12345",
      ]) {
        const { code, stdout } = await client.ssh([], words, { stdin: "/srv/web/page\0" });
        assert.deepEqual([code, stdout], [201, ""], words);
      }
    });

    test("ends with its connection", once, async () => {
      await host.run("truncate -s 200G /srv/web/endless");
      const asking = client.begin([], "hash run-20300101");
      asking.child.stdin.end("/srv/web/endless\0");
      const running = async () => (await host.run("pgrep -fc '[p]ython3 -I .*/hash' || :")).trim() !== "0";
      await waitFor("it to begin", running);
      asking.child.kill();
      await asking.ended;
      await waitFor("it to end", async () => !(await running()));
    });
  });
