import { opened } from "./moments.ts";
import { everyFault, oneJob } from "./one-job.ts";

everyFault(await oneJob(), "in an unchanged pull", opened);
