"""restore-tree.py make DIR: a tree with all that a file can be. restore-tree.py show DIR: what it is, as JSON."""

import hashlib
import json
import os
import stat
import struct
import sys

ACL = "system.posix_acl_access"


def acl(*entries):
    """Entries of (tag, permissions, id), as the kernel keeps them (linux/posix_acl_xattr.h)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def make(root):
    os.umask(0o022)
    os.makedirs(root)
    os.chdir(root)

    def put(name, data=b"content\n", mode=0o644, uid=0, gid=0):
        with open(name, "wb") as file:
            file.write(data)
        os.chown(name, uid, gid)
        os.chmod(name, mode)

    put("plain", os.urandom(300_000))
    put("empty", b"")
    put("owned", mode=0o640, uid=4321, gid=8765)
    put("setuid", mode=0o6755, uid=33, gid=33)
    put("unreadable", mode=0o000)
    put("with\nnewline and  blanks ")
    put(b"no utf-8 \xff\xfe")
    put("-rf")
    put("'quote\" $HOME `id` \\n *")
    put("\x1b]0;title\x07\u202egnp.exe")
    put("attributes")
    os.setxattr("attributes", "user.comment", b"\x00\xff binary")
    put("capable", mode=0o755)
    os.setxattr("capable", "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))
    put("listed", mode=0o640)
    os.setxattr("listed", ACL, acl((1, 6, 0xFFFFFFFF), (2, 4, 4321), (4, 4, 0xFFFFFFFF), (16, 4, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)))
    with open("sparse", "wb") as file:
        file.truncate(40 << 20)
        file.seek(20 << 20)
        file.write(b"in the middle")
    put("linked")
    os.mkdir("folder")
    os.link("linked", "folder/same file")
    os.symlink("../plain", "folder/link")
    os.symlink("nowhere at all", "dangling")
    os.lchown("dangling", 4321, 8765)
    os.mkfifo("pipe", 0o620)
    os.mknod("device", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    os.mkdir("folder/closed", 0o700)
    put("folder/closed/inside")
    os.chown("folder/closed", 4321, 8765)
    os.chmod("folder/closed", 0o2750)
    os.mkdir("empty folder", 0o1777)
    for at, folders, files in os.walk(".", topdown=False):
        for number, name in enumerate(sorted(folders + files)):
            os.utime(os.path.join(at, name), ns=(10**18 + number, 10**18 + 123_456_789 * (number + 1)), follow_symlinks=False)


def show(root):
    root = os.fsencode(root)
    inodes = {}
    shown = {}
    for at, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(at, name)
            found = os.lstat(path)
            kind = stat.S_IFMT(found.st_mode)
            xattrs = {key: os.getxattr(path, key, follow_symlinks=False).hex() for key in os.listxattr(path, follow_symlinks=False)}
            entry = {
                "mode": oct(found.st_mode),
                "owner": [found.st_uid, found.st_gid],
                "mtime": found.st_mtime_ns,
                "xattrs": dict(sorted(xattrs.items())),
            }
            if kind == stat.S_IFREG:
                with open(path, "rb") as file:
                    entry["content"] = hashlib.sha256(file.read()).hexdigest()
                entry["holes"] = found.st_blocks * 512 < found.st_size / 2
                entry["same as"] = inodes.setdefault(found.st_ino, os.path.relpath(path, root).hex())
            if kind == stat.S_IFLNK:
                entry["to"] = os.readlink(path).hex()
            if kind == stat.S_IFCHR:
                entry["device"] = found.st_rdev
            shown[os.path.relpath(path, root).hex()] = entry
    # Which of two names of a file comes first is the file system's choice.
    for first in set(inodes.values()):
        names = [name for name, entry in shown.items() if entry.get("same as") == first]
        for name in names:
            shown[name]["same as"] = min(names)
    return shown


verb, folder = sys.argv[1:]
if verb == "make":
    make(folder)
else:
    print(json.dumps(show(folder), indent=1, sort_keys=True))
