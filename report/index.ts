import { report } from "../templates/report.ts";
import { type ReportData, reportView } from "./view.ts";

export { type History, historyOf } from "./history.ts";
export { type ReportData, weeks } from "./view.ts";

/** One self-contained HTML page of how all jobs stand and stood: no script, nothing from elsewhere, every text escaped. */
export const reportHtml = (data: ReportData): string => report(reportView(data));
