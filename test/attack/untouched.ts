/** What an attack could have changed on a VPS, as text: two of them are equal when it changed nothing. */
import assert from "node:assert/strict";
import type { Host } from "../../sandbox/lab.ts";
import { waitFor } from "../e2e/pull-fixture.ts";
import { instance, paths } from "./furnished.ts";

const folders = `/etc /usr/local /root /home /srv /opt /tmp /var/tmp /dev/shm /var/spool ${paths.home} ${paths.run}`;

/** Files with their content, mode and owner; who listens; the account's processes but for what logind starts at a login. */
const script = `
    find ${folders} -xdev -printf '%p %M %U:%G %l\\n' | sort
    find ${folders} -xdev -type f -exec sha256sum {} + | sort
    ss -Hltnu | awk '{ print $1, $5 }' | sort
    ss -Hlx | awk '{ print $5 }' | grep -v -e ^/run/user/ -e ^/run/systemd/ | sort
    ip -o link | cut -d: -f2
    ps -u ${instance} -o args= | grep -v -e 'systemd --user' -e '(sd-pam)' || :`;

export const fingerprint = (host: Host): Promise<string> => host.run(script);

/** Waits until the host is as it was: a session's processes take a moment to end. */
export async function isAsItWas(host: Host, before: string): Promise<void> {
  await waitFor(`${host.name} to be as it was`, async () => (await fingerprint(host)) === before, 10).catch(
    async () => assert.equal(await fingerprint(host), before),
  );
}
