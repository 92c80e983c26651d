#!/usr/bin/env bash
# object_store 0.14, as PyPI's obstore 0.12.1 brings it; S3Store.
#
# One would guess: an answer about an object without `Last-Modified` is an error, or an object without a time.
# It is an object of 1970-01-01: the S3 client fills in the epoch and says nothing, while a missing Content-Length of the same
# answer is an error with its name. A proxy that takes the header away makes every object older than any deadline.
#
# Seen: last_modified 1970-01-01 00:00:00+00:00 without the header; 2026-11-30 12:00:00+00:00 with it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install 'obstore==0.12.1'
"$folder/venv/bin/python" - <<'PYTHON'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import obstore
from obstore.store import S3Store


class Handler(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.send_header("ETag", '"a"')
        if "with" in self.path.split("/")[-1].split("-"):
            self.send_header("Last-Modified", "Mon, 30 Nov 2026 12:00:00 GMT")
        self.end_headers()

    def log_message(self, *words):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
store = S3Store("bucket", endpoint=f"http://127.0.0.1:{server.server_port}", region="us-east-1", access_key_id="a",
                secret_access_key="b", virtual_hosted_style_request=False, client_options={"allow_http": True})
print("obstore", obstore.__version__)
times = {}
for name in ("with-time", "out-of-time"):
    times[name] = obstore.head(store, name)["last_modified"]
    print(f"{name}: last_modified {times[name]}")
if times["with-time"].year != 2026 or times["out-of-time"].year != 1970:
    raise SystemExit("CHANGED: an object without a time is not one of 1970 any more")
PYTHON
