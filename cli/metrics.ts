import { Command } from "commander";
import { fleet, jobNames, prometheusText } from "../pull/status.ts";
import { homePaths } from "../schema/paths.ts";
import { exitCodes } from "./exit-code.ts";
import { writeWhole } from "./public-file.ts";
import { ledgerIfThere } from "./status/read.ts";

/** `borgpull metrics`: how all jobs stand, as Prometheus reads it. */
export function metricsCommand(): Command {
  return new Command("metrics")
    .description("print how all jobs stand as Prometheus metrics, for node_exporter's textfile collector")
    .option("--out <file>", "write them to this file, whole or not at all, readable by all")
    .addHelpText("after", help)
    .action(({ out }: { readonly out?: string }) => {
      const text = metrics();
      if (out === undefined) process.stdout.write(text);
      else writeWhole(out, text, 0o644);
      process.exitCode = exitCodes.good;
    });
}

const help = `
With "borgpull:metrics: FILE" in the stack's config the hourly watch writes the same.
An alert for what is stale: time() - borgpull_last_good_timestamp_seconds > borgpull_stale_after_seconds

Example:
  borgpull metrics --out /var/lib/prometheus/node-exporter/borgpull.prom`;

export function metrics(): string {
  using ledger = ledgerIfThere(homePaths().stateDb);
  return prometheusText(fleet(jobNames(), ledger));
}
