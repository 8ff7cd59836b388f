"""What `pulumi up` keeps true on a VPS, as a person would write it for pyinfra. The texts are those that borgpull put on the first host."""

from pyinfra import host
from pyinfra.api import FactBase
from pyinfra.operations import files, server, systemd


class SshdInForce(FactBase):
    """The settings of sshd for the account, one line each."""

    def command(self):
        return "/usr/sbin/sshd -T -C user=borgpull,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22"

    def process(self, output):
        return list(output)


root = {"user": "root", "group": "root"}
account = {"user": "borgpull", "group": "borgpull"}
job = {"inventory_hostname": host.name, "public_key": host.data.public_key}

server.user(
    name="Account",
    user="borgpull",
    system=True,
    shell="/bin/sh",
    home="/var/lib/borgpull-account",
    ensure_home=False,
    password="*",
    comment=host.data.gecos,
)
files.directory(name="Home of the account", path="/var/lib/borgpull-account", mode="700", **account)
for path in ["/usr/local/lib/borgpull", "/etc/borgpull", "/etc/borgpull/jobs"]:
    files.directory(name=f"Folder {path}", path=path, mode="755", **root)

tmpfiles = files.put(
    name="Run folder and lock, at boot",
    src="files/tmpfiles",
    dest="/etc/tmpfiles.d/borgpull.conf",
    mode="644",
    **root,
)
server.shell(
    name="Run folder and lock, now",
    commands="systemd-tmpfiles --create /etc/tmpfiles.d/borgpull.conf",
    _if=tmpfiles.did_change,
)
files.directory(name="Run folder", path="/run/borgpull", mode="700", **account)
files.file(name="Lock", path="/run/borgpull.lock", mode="640", user="root", group="borgpull")

for program in ["borgctl", "helper", "create", "commands", "hash", "relay"]:
    files.put(
        name=f"Program {program}",
        src=f"files/{program}",
        dest=f"/usr/local/lib/borgpull/{program}",
        mode="755",
        **root,
    )
files.put(name="Sudoers", src="files/sudoers", dest="/etc/sudoers.d/borgpull", mode="440", **root)
drop_in = files.put(
    name="Drop-in of sshd",
    src="files/drop-in",
    dest="/etc/ssh/sshd_config.d/60-borgpull.conf",
    mode="644",
    **root,
)
for kind in ["patterns", "conf"]:
    files.template(
        name=f"Settings of the job: {kind}",
        src=f"templates/{kind}.j2",
        dest=f"/etc/borgpull/jobs/{host.name}.{kind}",
        mode="640",
        user="root",
        group="borgpull",
        **job,
    )
files.template(
    name="Key line",
    src="templates/authorized_keys.j2",
    dest="/etc/ssh/borgpull.authorized_keys",
    mode="644",
    **root,
    **job,
)

in_force = set(host.get_fact(SshdInForce))
systemd.service(name="Reload sshd", service="ssh", reloaded=True, _if=drop_in.did_change)
if not set(host.data.effective) <= in_force and not drop_in.will_change:
    server.shell(name="Settings of sshd are not as declared", commands="exit 1")
