/**
 * Makes the pictures of the report anew, from six made-up jobs: `node_modules/.bin/node docs/pictures/report.ts`. Needs Chromium.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import puppeteer, { type Browser, type ScreenshotClip } from "puppeteer-core";
import { openLedger } from "../../pull/ledger.ts";
import { fleet, jobNames, type NextRun } from "../../pull/status.ts";
import { reportHtml } from "../../report/index.ts";
import { homePaths } from "../../schema/paths.ts";
import { hour, makeFleet } from "../../test/fleet.ts";

/** A Monday at eight in the morning. */
const now = new Date(2026, 10, 23, 8).getTime();

function page(): string {
  using home = makeFleet(now);
  using ledger = openLedger(homePaths().stateDb);
  const members = fleet(jobNames(), ledger, now);
  const next = new Map(
    jobNames().map((job, index): [string, NextRun] => [
      job,
      job === "files" ? { kind: "off" } : { kind: "at", time: now + 19 * hour + index * 40_000 },
    ]),
  );
  const html = reportHtml({ home: "home", members, next, ledger, now });
  return html.replaceAll(`${home.folder}/repositories`, "/srv/backup");
}

interface Picture {
  readonly name: string;
  readonly scheme: "light" | "dark";
  readonly width: number;
  /** What it begins and ends with. */
  readonly from: string;
  readonly to: string;
  /** Pixels of the picture for one of the page. */
  readonly scale: number;
}

const margin = 16;
const unseen = { x: 0, y: 0, width: 0, height: 0 };

async function take(browser: Browser, html: string, picture: Picture): Promise<void> {
  const { name, scheme, width, from, to, scale } = picture;
  const shown = await browser.newPage();
  await shown.setViewport({ width, height: 800, deviceScaleFactor: scale });
  await shown.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await shown.setContent(html);
  const box = async (selector: string) => (await (await shown.$(selector))?.boundingBox()) ?? unseen;
  const [first, last] = [await box(from), await box(to)];
  const y = Math.max(0, first.y - margin);
  const clip: ScreenshotClip = { x: 0, y, width, height: last.y + last.height + margin - y };
  const file = path.join(import.meta.dirname, name);
  fs.writeFileSync(file, await shown.screenshot({ clip }));
  console.log(path.relative(process.cwd(), file));
}

const html = page();
const browser = await puppeteer.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
try {
  await take(browser, html, {
    name: "report.png",
    scheme: "light",
    width: 1180,
    from: "header",
    to: ".charts",
    scale: 1,
  });
  await take(browser, html, {
    name: "report-phone.png",
    scheme: "dark",
    width: 360,
    from: "#job-web1",
    to: "#job-web1 dl",
    scale: 1.5,
  });
} finally {
  await browser.close();
}
