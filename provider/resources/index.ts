/** One file a kind; this names them all for the engine. */
import { type Lifecycle, lifecycle } from "../lifecycle.ts";
import { audit } from "./audit.ts";
import { authorizedKey } from "./authorized-key.ts";
import { home } from "./home.ts";
import { hostFile } from "./host-file.ts";
import { hostUser } from "./host-user.ts";
import { preflight } from "./preflight.ts";
import { program } from "./program.ts";
import { pull } from "./pull.ts";
import { repository } from "./repository.ts";
import { sshIdentity } from "./ssh-identity.ts";
import { sshdDropIn } from "./sshd-drop-in.ts";
import { systemdUnit } from "./systemd-unit.ts";

/** Type token -> kind. */
export const kinds: Readonly<Record<string, Lifecycle>> = {
  "borgpull:index:Home": lifecycle(home),
  "borgpull:index:Program": lifecycle(program),
  "borgpull:index:Preflight": lifecycle(preflight),
  "borgpull:index:HostUser": lifecycle(hostUser),
  "borgpull:index:HostFile": lifecycle(hostFile),
  "borgpull:index:SshdDropIn": lifecycle(sshdDropIn),
  "borgpull:index:AuthorizedKey": lifecycle(authorizedKey),
  "borgpull:index:SystemdUnit": lifecycle(systemdUnit),
  "borgpull:index:SshIdentity": lifecycle(sshIdentity),
  "borgpull:index:Repository": lifecycle(repository),
  "borgpull:index:Audit": lifecycle(audit),
  "borgpull:index:Pull": lifecycle(pull),
};
