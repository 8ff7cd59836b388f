import { checkKinds } from "../ledger.ts";
import type { FleetMember } from "./fleet.ts";
import { type Standing, states } from "./standing.ts";

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly samples: (standing: Standing) => readonly Sample[];
}

const outcomes = ["good", "warning", "failed", "tampered", "abandoned"] as const;

/** One value of the job, where there is one. */
const of =
  (value: (standing: Standing) => number | undefined) =>
  (standing: Standing): readonly Sample[] => {
    const known = value(standing);
    return known === undefined ? [] : [{ labels: { job: standing.job }, value: known }];
  };

/** One value for each kind of check that there is one of. */
const ofChecks =
  (value: (check: Standing["checks"]["proof"]) => number | undefined) =>
  ({ job, checks }: Standing): readonly Sample[] =>
    checkKinds.flatMap((kind) => {
      const known = value(checks[kind]);
      return known === undefined ? [] : [{ labels: { job, kind }, value: known }];
    });

/** 1 for the one that is so, 0 for the others. */
const oneOf =
  <T extends string>(label: string, all: readonly T[], which: (standing: Standing) => T | undefined) =>
  (standing: Standing): readonly Sample[] => {
    const found = which(standing);
    if (found === undefined) return [];
    return all.map((each) => ({
      labels: { job: standing.job, [label]: each },
      value: each === found ? 1 : 0,
    }));
  };

/** Ages are for PromQL: time() - borgpull_last_good_timestamp_seconds (prometheus.io, "Instrumentation: timestamps, not time since"). */
const gauges: readonly Gauge[] = [
  {
    name: "borgpull_state",
    help: "How the job stands: 1 for its state, 0 for the others.",
    samples: oneOf("state", states, ({ state }) => state),
  },
  {
    name: "borgpull_last_good_timestamp_seconds",
    help: "When the last good backup had ended.",
    samples: of(({ lastGood }) => lastGood && lastGood.finished / 1000),
  },
  {
    name: "borgpull_last_good_duration_seconds",
    help: "How long the last good backup took.",
    samples: of(({ lastGood }) => lastGood && (lastGood.finished - lastGood.started) / 1000),
  },
  {
    name: "borgpull_last_good_files",
    help: "Files in the last good backup.",
    samples: of(({ lastGood }) => lastGood?.figures?.files),
  },
  {
    name: "borgpull_last_good_original_bytes",
    help: "What the last good backup read.",
    samples: of(({ lastGood }) => lastGood?.figures?.originalBytes),
  },
  {
    name: "borgpull_last_good_new_bytes",
    help: "What the last good backup added to the repository.",
    samples: of(({ lastGood }) => lastGood?.figures?.newBytes),
  },
  {
    name: "borgpull_stale_after_seconds",
    help: "A last good backup older than this is stale.",
    samples: of(({ staleAfterSeconds }) => staleAfterSeconds),
  },
  {
    name: "borgpull_last_run_timestamp_seconds",
    help: "When the last run had ended.",
    samples: of(({ lastRun }) => lastRun && lastRun.finished / 1000),
  },
  {
    name: "borgpull_last_run_outcome",
    help: "What came of the last run: 1 for its outcome, 0 for the others.",
    samples: oneOf("outcome", outcomes, ({ lastRun }) => lastRun?.outcome),
  },
  {
    name: "borgpull_running",
    help: "1 while a run is under way.",
    samples: of(({ running }) => (running ? 1 : 0)),
  },
  {
    name: "borgpull_tampered",
    help: "Findings of tampering that wait for a person's decision.",
    samples: of(({ openBreaches }) => openBreaches.length),
  },
  {
    name: "borgpull_repository_bytes",
    help: "Size of the repository after the last run that measured it.",
    samples: of(({ repositoryBytes }) => repositoryBytes),
  },
  {
    name: "borgpull_check_timestamp_seconds",
    help: "When the last check of a kind had come to a verdict.",
    samples: ofChecks(({ last }) => last && last.finished / 1000),
  },
  {
    name: "borgpull_check_good",
    help: "1 when the last check of a kind found nothing amiss.",
    samples: ofChecks(({ last }) => last && (last.outcome === "good" ? 1 : 0)),
  },
  {
    name: "borgpull_check_overdue",
    help: "1 when a check that the job wants is late.",
    samples: ofChecks(({ everySeconds, overdue }) =>
      everySeconds === undefined ? undefined : overdue ? 1 : 0,
    ),
  },
  {
    name: "borgpull_key_exported",
    help: "1 when the key was exported as it is now.",
    samples: of(({ keyCopy }) => keyCopy && (keyCopy === "done" ? 1 : 0)),
  },
];

/** Prometheus's text format (prometheus.io/docs/instrumenting/exposition_formats), for node_exporter's textfile collector. */
export function prometheusText(members: readonly FleetMember[]): string {
  const standings = members.flatMap((member) => (member.kind === "job" ? [member.standing] : []));
  const readable = members.map((member) => ({
    labels: { job: member.kind === "job" ? member.standing.job : member.name },
    value: member.kind === "job" ? 1 : 0,
  }));
  return [
    family("borgpull_job_readable", "0 when its job file or home's records cannot be read.", readable),
    ...gauges.map(({ name, help, samples }) => family(name, help, standings.flatMap(samples))),
  ].join("");
}

function family(name: string, help: string, samples: readonly Sample[]): string {
  if (samples.length === 0) return "";
  const lines = samples.map(({ labels, value }) => `${name}{${labelText(labels)}} ${value}`);
  return `${[`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines].join("\n")}\n`;
}

const labelText = (labels: Sample["labels"]): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(",");

export const escapeLabel = (text: string): string =>
  text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
