"""nginx with one worker and a constant answer: nginx_peer.py FOLDER PORT."""

import os
import sys
from pathlib import Path

CONFIG = """\
worker_processes 1;
daemon off;
pid {folder}/nginx-{port}.pid;
error_log stderr warn;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    default_type text/plain;
    server {{
        listen 127.0.0.1:{port};
        location = /ping {{ return 200 "pong"; }}
    }}
}}
"""


def main(folder: Path, port: str) -> None:
    config = folder / f"nginx-{port}.conf"
    config.write_text(CONFIG.format(folder=folder, port=port), "utf-8")
    os.execvp("nginx", ["nginx", "-c", str(config)])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
