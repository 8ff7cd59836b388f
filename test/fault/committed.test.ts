import { committed } from "./moments.ts";
import { everyFault, oneJob } from "./one-job.ts";

everyFault(await oneJob(), "between borg's end and home's record", committed);
