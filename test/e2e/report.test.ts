/** The report in a real browser: Chromium, driven by puppeteer. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import puppeteer, { type Browser, type Page } from "puppeteer-core";
import { borgpull } from "../borgpull.ts";
import { type FleetHome, hour, makeFleet, makeFleetHome, tellRun } from "../fleet.ts";

const chromium = "/usr/bin/chromium";
const skip =
  fs.existsSync(chromium) || process.env.CI
    ? false
    : `the page is looked at in a browser, and there is no ${chromium}`;

const evil = `"><script>document.title='taken'</script><img src=x onerror="document.title='taken'">\u202e${"W".repeat(10_000)}`;
const inPage = fs.readFileSync(new URL("report-page.js", import.meta.url), "utf8");
const jobs = ["db1", "files", "mail", "shop", "web1", "wiki"];
const schemes = ["light", "dark"] as const;

describe("the report in a browser", { skip, timeout: 300_000 }, () => {
  let home: FleetHome;
  let browser: Browser;
  let file: string;

  before(async () => {
    home = makeFleet(Date.now());
    home.job("evil");
    home.records((at) => {
      tellRun(at, "evil", Date.now() - 2 * hour, { outcome: "warning", warnings: [`said ${evil}`] });
      tellRun(at, "evil", Date.now() - hour, {
        outcome: "failed",
        failure: { kind: "borg-error", problem: `failed ${evil}`, remedy: `do ${evil}` },
        findings: [{ kind: "archive-appeared", name: `name ${evil}`, id: "1" }],
      });
    });
    file = path.join(home.folder, "report.html");
    const { code, stdout, stderr } = await borgpull(["report", "--out", file]);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, `${file}\n`);
    // root has no use of its sandbox, and borgpull's pages no need of one
    const args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
    browser = await puppeteer.launch({ executablePath: chromium, args, timeout: 120_000 });
  });
  after(async () => {
    await browser?.close();
    home?.[Symbol.dispose]();
  });

  /** The page at a width, and everything that it asked for or complained of. */
  async function open(width: number, scheme: "light" | "dark"): Promise<{ page: Page; noise: string[] }> {
    const page = await browser.newPage();
    const noise: string[] = [];
    page.on("console", (message) => noise.push(`console: ${message.text()}`));
    page.on("pageerror", (error) => noise.push(`error: ${error}`));
    page.on("request", (request) => {
      if (request.url() !== pathToFileURL(file).href) noise.push(`request: ${request.url()}`);
    });
    await page.setViewport({ width, height: 800 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await page.evaluateOnNewDocument(inPage);
    await page.goto(pathToFileURL(file).href, { waitUntil: "load" });
    return { page, noise };
  }

  for (const width of [360, 1180]) {
    for (const scheme of schemes) {
      it(`is quiet, asks for nothing and fits at ${width} px, ${scheme}`, async () => {
        const { page, noise } = await open(width, scheme);
        assert.deepEqual(noise, []);
        assert.deepEqual(await ask(page, "wide"), []);
        assert.equal(await ask(page, "width"), width);
        await page.close();
      });

      it(`can be read at ${width} px, ${scheme}: each text stands out from its ground by 4.5 to 1`, async () => {
        const { page } = await open(width, scheme);
        const texts = await ask<readonly { ratio: number }[]>(page, "contrasts");
        assert.ok(texts.length > 100, "too few texts to be all of them");
        assert.deepEqual(
          texts.filter(({ ratio }) => ratio < 4.5),
          [],
        );
        await page.close();
      });
    }
  }

  it("is light or dark as is preferred, and light on paper", async () => {
    const grounds = [];
    for (const scheme of schemes) {
      const { page } = await open(360, scheme);
      grounds.push(await ask(page, "ground"));
      if (scheme === "dark") {
        await page.emulateMediaType("print");
        grounds.push(await ask(page, "ground"));
      }
      await page.close();
    }
    assert.deepEqual(grounds, ["rgb(244, 245, 247)", "rgb(15, 19, 24)", "rgb(255, 255, 255)"]);
  });

  it("shows every job with its state, age, trust, calendar, charts and checks", async () => {
    const { page } = await open(1180, "light");
    const shown = await ask<readonly Shown[]>(page, "articles");
    assert.deepEqual(
      shown.map(({ name }) => name),
      [
        "db1 good",
        "evil tampered with",
        "files stale",
        "mail tampered with",
        "shop warnings",
        "web1 failed",
        "wiki good",
      ],
    );
    for (const { name, days, paths, checks } of shown.filter(({ name }) => !name.startsWith("evil"))) {
      assert.ok(
        days > 170 && paths > 4 && checks === 4,
        `${name}: ${days} days, ${paths} paths, ${checks} checks`,
      );
    }
    const { text } = await ask<Said>(page, "said");
    for (const job of jobs) assert.ok(text.includes(job), job);
    for (const said of [
      "5 of 7 jobs need a look.",
      "cannot be reached",
      "borgpull rollback mail",
      "20 files compared",
    ]) {
      assert.ok(text.includes(said), said);
    }
    // Drawn in the page's own colours, which a browser has to find by their names.
    const strokes = await ask<readonly string[]>(page, "strokes");
    assert.ok(strokes.includes("rgb(47, 111, 222)"), "no line of a chart has the chart's colour");
    await page.close();
  });

  it("shows what a hostile VPS says as text", async () => {
    const { page } = await open(360, "light");
    const { title, scripts, images, text } = await ask<Said>(page, "said");
    assert.match(title, /^Backups of /);
    assert.deepEqual([scripts, images], [0, 0]);
    for (const said of ["failed", "do", "said", "name"]) {
      assert.ok(text.includes(`${said} "><script>document.title='taken'</script><img`), said);
    }
    assert.ok(!text.includes("\u202e") && !text.includes("W".repeat(700)));
    await page.close();
  });

  it("lets nothing run or load that got into it all the same", async () => {
    const { page, noise } = await open(360, "light");
    const html = fs.readFileSync(file, "utf8");
    const broken = path.join(home.folder, "broken.html");
    fs.writeFileSync(
      broken,
      html.replace("</body>", `<script>document.title="taken"</script><img src="file://${file}"></body>`),
    );
    const loaded: string[] = [];
    page.on("requestfinished", (request) => loaded.push(request.url()));
    await page.goto(pathToFileURL(broken).href, { waitUntil: "load" });
    assert.match(await page.title(), /^Backups of /);
    assert.deepEqual(loaded, [pathToFileURL(broken).href]);
    assert.ok(
      noise.some((line) => /Content Security Policy/.test(line)),
      noise.join("\n"),
    );
    await page.close();
  });

  it("tells a screen reader what its tables and pictures are, on a phone too", async () => {
    const { page } = await open(360, "light");
    const tree = await page.accessibility.snapshot({ interestingOnly: false });
    const found = flat(tree).map(({ role, name }) => ({ role, name: name ?? "" }));
    const of = (role: string) => found.filter((node) => node.role === role).map(({ name }) => name);
    assert.ok(of("columnheader").includes("Last good backup"));
    assert.ok(jobs.every((job) => of("rowheader").includes(job)));
    const pictures = of("image");
    assert.ok(
      pictures.length >= 3 * jobs.length && pictures.every((name) => /\d/.test(name)),
      pictures.join("\n"),
    );
    await page.close();
  });
});

it("a report that is new can be read by its owner alone; one that is written again keeps its mode", async () => {
  using home = makeFleetHome();
  home.job("web1");
  const file = path.join(home.folder, "report.html");
  assert.equal((await borgpull(["report", "--out", file])).code, 0);
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  fs.chmodSync(file, 0o644);
  assert.equal((await borgpull(["report", "--out", file])).code, 0);
  assert.equal(fs.statSync(file).mode & 0o777, 0o644);
  assert.match((await borgpull(["report", "--out", "-"])).stdout, /^<!doctype html>[\s\S]*<\/html>\n$/);
});

interface Shown {
  readonly name: string;
  readonly days: number;
  readonly paths: number;
  readonly checks: number;
}

interface Said {
  readonly title: string;
  readonly scripts: number;
  readonly images: number;
  readonly text: string;
}

/** An answer of report-page.js. */
const ask = <T>(page: Page, question: string): Promise<T> =>
  page.evaluate(`asked.${question}()`) as Promise<T>;

interface Node {
  readonly role: string;
  readonly name?: string;
  readonly children?: readonly Node[];
}

const flat = (node: Node | null): readonly Node[] =>
  node === null ? [] : [node, ...(node.children ?? []).flatMap(flat)];
