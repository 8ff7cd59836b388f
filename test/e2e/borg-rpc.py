"""A peer that speaks borg's protocol by hand: borg-rpc.py [[METHOD, {ARGUMENT: VALUE}], ...], where "hex:00ff" are bytes."""

import json
import subprocess
import sys

from borg.helpers import msgpack

COMMAND = ["borg", "serve", "--append-only", "--restrict-to-repository", "./R"]
OPEN = {"path": "/./R", "create": False, "lock_wait": 1, "lock": True, "exclusive": True, "append_only": True}
CALLS = [["negotiate", {"client_data": {b"client_version": b"1.2.4"}}], ["open", OPEN], *json.loads(sys.argv[1])]


def value(given):
    return bytes.fromhex(given[4:]) if isinstance(given, str) and given.startswith("hex:") else given


with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as serve:
    unpacker = msgpack.Unpacker(use_list=False)
    for number, (method, arguments) in enumerate(CALLS):
        given = {name: value(argument) for name, argument in arguments.items()}
        request = memoryview(msgpack.packb({b"i": number, b"m": method, b"a": given}))
        while request:
            request = request[serve.stdin.write(request) :]
        answer = None
        while answer is None:
            answer = next(unpacker, None)
            if answer is None:
                data = serve.stdout.read(65536)
                if not data:
                    sys.exit("borg serve has ended")
                unpacker.feed(data)
        print(method, "refused" if b"exception_class" in answer else "done")
    serve.stdin.close()
