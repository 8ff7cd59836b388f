"""What root of a hostile VPS would write: a client of its own for the borg serve behind the forwarded socket.

It runs in place of borgctl, has the run's name and the passphrase, and uses borg's own code for keys and the manifest.
HOSTILE_SOCKET is another socket to use, HOSTILE_RSH another way for the VPS's own borg."""

import json
import os
import socket
import subprocess
import sys
from datetime import datetime

from borg.crypto.key import key_factory
from borg.helpers import Manifest, StableDict, msgpack
from borg.item import ArchiveItem
from borg.logger import setup_logging

run = os.environ.get("SSH_ORIGINAL_COMMAND", "").removeprefix("create ")
job = sys.argv[1]
own = f"{job}-{run}"
socket_path = os.environ.get("HOSTILE_SOCKET") or f"/run/borgpull/{run}.sock"
manifest_id = bytes(32)
setup_logging()  # borg's key code insists


class Refused(Exception):
    """An error that borg serve answered."""


class Link:
    """One connection to the socket. What it is told to send is sent, whatever it is."""

    def __init__(self, hello=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(socket_path)
        self.unpacker = msgpack.Unpacker(use_list=False, max_buffer_size=1 << 30)
        self.number = 0
        if hello:
            self.call("negotiate", client_data={b"client_version": (1, 2, 4)})
            self.id = self.call("open", path=f"/./{job}", create=False, lock_wait=10, lock=True, exclusive=True)

    def send(self, method, **args):
        self.number += 1
        self.socket.sendall(msgpack.packb({b"i": self.number, b"m": method, b"a": args}))

    def receive(self):
        for answer in self.unpacker:
            return answer
        while data := self.socket.recv(1 << 20):
            self.unpacker.feed(data)
            for answer in self.unpacker:
                return answer
        raise EOFError("home has closed the connection")

    def call(self, method, **args):
        self.send(method, **args)
        answer = self.receive()
        if b"exception_class" in answer:
            raise Refused(answer[b"exception_class"].decode(), answer.get(b"exception_args"))
        return answer[b"r"]

    def close(self):
        self.socket.close()


class Repository(Link):
    """The job's repository, as borg's key and manifest code want one, with its key and its list of archives."""

    class Location:
        def canonical_path(self):
            return f"ssh://borg/./{job}"

    def __init__(self):
        super().__init__()
        self._location = self.Location()
        self.id_str = self.id.hex()
        self.key = key_factory(self, self.get(manifest_id))
        self.manifest, _ = Manifest.load(self, Manifest.NO_OPERATION_CHECK, key=self.key)
        self.archives = self.manifest.archives.get_raw_dict()
        self.youngest = self.names()[-1] if self.archives else None

    def load_key(self):
        return self.call("load_key")

    def get_free_nonce(self):
        return self.call("get_free_nonce")

    def commit_nonce_reservation(self, next_unreserved, start_nonce):
        return self.call("commit_nonce_reservation", next_unreserved=next_unreserved, start_nonce=start_nonce)

    def get(self, id):
        return self.call("get", id=id)

    def put(self, id, data, wait=True):
        return self.call("put", id=id, data=data)

    def delete(self, id):
        return self.call("delete", id=id)

    def commit(self):
        return self.call("commit", save_space=False, compact=False, threshold=0.1)

    # What follows is about archives: names and their entries are as in the manifest, {name: {b"id", b"time"}}, all bytes.

    def store(self, data):
        """An object as borg makes it; its id."""
        id = self.key.id_hash(data)
        self.put(id, self.key.encrypt(data))
        return id

    def metadata(self, name):
        id = self.archives[name.encode()][b"id"]
        return ArchiveItem(internal_dict=msgpack.unpackb(self.key.decrypt(id, self.get(id)))).as_dict()

    def names(self):
        """The oldest first."""
        return [name.decode() for name, _ in sorted(self.archives.items(), key=lambda item: item[1][b"time"])]

    def items(self, name):
        """The files of an archive, as borg's dictionaries."""
        stream = msgpack.Unpacker(use_list=False)
        for id in self.metadata(name)["items"]:
            stream.feed(self.key.decrypt(id, self.get(id)))
        return [dict(item) for item in stream]

    def archive(self, name, time=None, **changes):
        """An archive that looks like the youngest good one; with no new object but its own."""
        name = name if isinstance(name, bytes) else name.encode()
        time = time or datetime.utcnow().strftime("%Y-%m-%dT%H:%M:%S.%f")
        metadata = {**self.metadata(self.youngest), "name": name, "time": time, **changes}
        metadata.pop("tam", None)
        id = self.store(self.key.pack_and_authenticate_metadata(metadata, context=b"archive"))
        self.archives[name] = {b"id": id, b"time": time.encode()}
        return id

    def save(self, **changes):
        """Writes the list of archives as it now is, without borg's own limits, and commits."""
        manifest = {
            "version": 1,
            "archives": StableDict(self.archives),
            "timestamp": datetime.utcnow().strftime("%Y-%m-%dT%H:%M:%S.%f"),
            "config": StableDict({b"tam_required": True}),
            "item_keys": tuple(sorted(self.manifest.item_keys)),
            **changes,
        }
        self.put(manifest_id, self.key.encrypt(self.key.pack_and_authenticate_metadata(manifest)))
        self.commit()

    def backup(self, **changes):
        """What an honest run would have made, and its report."""
        id = self.archive(own, **changes)
        self.save()
        report(id)
        return id


def borg(*words):
    """The VPS's own borg, through the socket; its exit code."""
    relay = os.environ.get("HOSTILE_RSH") or f"sh -c 'exec nc -U -N {socket_path}'"
    answers = ("CHECK", "DELETE", "PRUNE")
    sure = {f"BORG_{each}_I_KNOW_WHAT_I_AM_DOING": "YES" for each in answers}
    env = {**os.environ, **sure, "BORG_RSH": relay, "BORG_REPO": f"ssh://borg/./{job}", "BORG_NEW_PASSPHRASE": "mine now"}
    return subprocess.run(["borg", *words], env=env, stdout=sys.stderr).returncode


def hello(**changes):
    print(json.dumps({"borgctl": "0.1.0", "borg": "1.2.4", "relay": "nc", "privilege": "read-all", **changes}), flush=True)


def report(id, name=own):
    figures = {"nfiles": 3, "original_size": 3000, "compressed_size": 2000, "deduplicated_size": 1000}
    print(json.dumps({"archive": {"id": id.hex(), "name": name, "duration": 1.0, "stats": figures}}), flush=True)
