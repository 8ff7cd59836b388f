/**
 * Makes the pictures of the report anew, from six made-up jobs: `node_modules/.bin/node docs/pictures/report.ts`. Needs Chromium.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import puppeteer, { type Browser, type ScreenshotClip } from "puppeteer-core";
import { openLedger } from "../../pull/ledger.ts";
import { fleet, jobNames, type NextRun } from "../../pull/status.ts";
import { historyOf, reportHtml } from "../../report/index.ts";
import { homePaths } from "../../schema/paths.ts";
import { day, hour, makeFleet } from "../../test/fleet.ts";

/** A Monday at eight in the morning. */
const now = new Date(2026, 10, 23, 8).getTime();

function page(): string {
  using _home = makeFleet(now);
  using ledger = openLedger(homePaths().stateDb);
  const members = fleet(jobNames(), ledger, now).map((member) =>
    member.kind === "job"
      ? { ...member, job: { ...member.job, repository: `/srv/backup/${member.job.job}` } }
      : member,
  );
  const jobs = members.flatMap((member) => (member.kind === "job" ? [member.job] : []));
  const histories = new Map(jobs.map((job) => [job.job, historyOf({ ...job }, ledger, now - 200 * day)]));
  const next = new Map(
    jobs.map(({ job }, index): [string, NextRun] => [
      job,
      job === "files" ? { kind: "off" } : { kind: "at", time: now + 19 * hour + index * 40_000 },
    ]),
  );
  return reportHtml({ home: "home", members, next, histories, now });
}

interface Picture {
  readonly name: string;
  readonly scheme: "light" | "dark";
  readonly width: number;
  readonly height: number;
  /** What it begins with. */
  readonly from: string;
  /** Pixels of the picture for one of the page. */
  readonly scale: number;
}

async function take(browser: Browser, html: string, picture: Picture): Promise<void> {
  const { name, scheme, width, height, from, scale } = picture;
  const shown = await browser.newPage();
  await shown.setViewport({ width, height, deviceScaleFactor: scale });
  await shown.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await shown.setContent(html);
  const start = await (await shown.$(from))?.boundingBox();
  const clip: ScreenshotClip = { x: 0, y: Math.max(0, (start?.y ?? 0) - 16), width, height };
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
    height: 1495,
    from: "header",
    scale: 1,
  });
  await take(browser, html, {
    name: "report-phone.png",
    scheme: "dark",
    width: 360,
    height: 860,
    from: "#job-web1",
    scale: 1.5,
  });
} finally {
  await browser.close();
}
