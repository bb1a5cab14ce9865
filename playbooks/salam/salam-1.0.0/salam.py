"""Salam: a greeting over HTTP. The smallest program worth installing, for the first minutes with Pasang."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "1.0.0"


class Greeting(BaseHTTPRequestHandler):
    """``/`` greets, ``/versi`` says which version this is."""

    def do_GET(self):
        if self.path == "/versi":
            self.answer("application/json", json.dumps({"nama": "salam", "versi": VERSION}))
        elif self.path == "/":
            self.answer("text/html", f"<!doctype html><title>Salam</title><h1>{greeting()}</h1>")
        else:
            self.send_error(404)

    def answer(self, kind, content):
        body = content.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind + "; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Silent: a greeting needs no log."""


def greeting():
    """What the configuration says, read anew each time."""
    try:
        with open(os.environ["SALAM_CONFIG"], encoding="utf-8") as file:
            return file.read().strip()
    except (KeyError, OSError):
        return "Salam!"


if __name__ == "__main__":
    if sys.argv[1:] == ["--version"]:
        print("salam", VERSION)
    else:
        ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Greeting).serve_forever()
