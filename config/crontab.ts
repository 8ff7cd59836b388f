/** OnCalendar expressions that cron can say too (systemd.time(7), crontab(5)). */

/** `M H * * * command`; undefined for what cron has no words for: seconds, years, last days, several expressions. */
export function crontabLine(schedule: string, command: string): string | undefined {
  const fields = cronFields(schedule.trim());
  return fields && `${fields.join(" ")} ${command}`;
}

type Fields = readonly [minute: string, hour: string, day: string, month: string, weekday: string];

const shorthands: Readonly<Record<string, Fields>> = {
  minutely: ["*", "*", "*", "*", "*"],
  hourly: ["0", "*", "*", "*", "*"],
  daily: ["0", "0", "*", "*", "*"],
  weekly: ["0", "0", "*", "*", "1"],
  monthly: ["0", "0", "1", "*", "*"],
  quarterly: ["0", "0", "1", "1,4,7,10", "*"],
  semiannually: ["0", "0", "1", "1,7", "*"],
  yearly: ["0", "0", "1", "1", "*"],
};

const expression =
  /^(?<weekdays>[A-Za-z][A-Za-z,.]*)? *(?:(?:\*-)?(?<month>[\d*,./]+)-(?<day>[\d*,./]+))? *(?:(?<hour>[\d*,./]+):(?<minute>[\d*,./]+)(?::0{1,2})?)?$/;

function cronFields(schedule: string): Fields | undefined {
  const known = shorthands[schedule.toLowerCase()];
  if (known) return known;
  const found = expression.exec(schedule)?.groups;
  if (schedule === "" || !found) return undefined;
  const fields = [
    field(found.minute ?? "0"),
    field(found.hour ?? "0"),
    field(found.day ?? "*"),
    field(found.month ?? "*"),
    weekdaysOf(found.weekdays),
  ];
  if (!fields.every((each) => each !== undefined)) return undefined;
  // cron takes a day that fits either of the two, systemd one that fits both
  if (fields[2] !== "*" && fields[4] !== "*") return undefined;
  return fields as unknown as Fields;
}

/** "00/15" is 0-59/15, "*" itself, "1..5" 1-5, "03" 3. */
function field(text: string): string | undefined {
  const parts = text.split(",").map((part) => {
    const [, from = "", to, step] = /^(\*|\d+)(?:\.\.(\d+))?(?:\/(\d+))?$/.exec(part) ?? [];
    if (from === "") return undefined;
    const first = from === "*" ? "*" : String(Number(from));
    const range = to === undefined ? first : `${first}-${Number(to)}`;
    if (step === undefined) return range;
    // from 0 on it is what cron writes with a star; from elsewhere cron would need the end of the range
    if (range === "0" || range === "*") return `*/${Number(step)}`;
    return to === undefined ? undefined : `${range}/${Number(step)}`;
  });
  return parts.every((part) => part !== undefined) ? parts.join(",") : undefined;
}

const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

function weekdaysOf(text: string | undefined): string | undefined {
  if (text === undefined) return "*";
  const number = (name: string): number => days.indexOf(name.slice(0, 3).toLowerCase());
  const parts = text.split(",").map((part) => {
    const [from = "", to] = part.split("..");
    const first = number(from);
    const last = to === undefined ? undefined : number(to) || 7;
    if (first < 0 || (last !== undefined && last <= first)) return undefined;
    return last === undefined ? String(first) : `${first}-${last}`;
  });
  return parts.every((part) => part !== undefined) ? parts.join(",") : undefined;
}
