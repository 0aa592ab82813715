"""`wiring WORDS` by a server of forks: `python -IS client.py ADDRESS wiring WORDS`; or `snakemake`.

See `tests.forks`.

With FIRST_FOR_REAL, a folder, the first use of each command is the real program's.
"""

import json
import os
import socket
import sys
from pathlib import Path

address, program, *words = sys.argv[1:]
if first := os.environ.get("FIRST_FOR_REAL"):
    # `track init` is another command than `track figures`.
    name = "-".join(words[: 2 if words[0] == "track" else 1])
    try:
        Path(first, name).mkdir()
    except FileExistsError:
        pass
    else:
        os.execv(Path(sys.executable).with_name(program), [program, *words])
with socket.socket(socket.AF_UNIX) as server:
    server.connect(address)
    socket.send_fds(server, [b"."], [0, 1, 2])
    server.sendall(json.dumps([program, words, str(Path.cwd()), dict(os.environ)]).encode() + b"\n")
    code = server.recv(1)
sys.exit(code[0] if code else 137)  # no answer: it was killed
