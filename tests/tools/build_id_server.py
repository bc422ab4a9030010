#!/usr/bin/env python3
"""build_id_server.py LOG hang | [ID/WHAT=FILE]...: a debuginfod that tests hold in their hand.

Serves files by build-id (WHAT: debuginfo, executable) on a free port of the loopback address, whether they are the
right ones or not, and 404 for all others; or, with hang, accepts everybody and answers nobody. Appends "port NUMBER",
then each path asked for, to LOG.
"""
import http.server
import socket
import sys
import threading

log_path, arguments = sys.argv[1], sys.argv[2:]


def log(line):
    with open(log_path, "a") as file:
        file.write(line + "\n")


def hang():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    log(f"port {listener.getsockname()[1]}")
    connections = []
    while True:
        connections.append(listener.accept()[0])
        log("connection")


class Handler(http.server.BaseHTTPRequestHandler):
    files = {}

    def do_GET(self):
        log(self.path)
        wanted = self.path.removeprefix("/buildid/")
        if wanted not in self.files:
            self.send_error(404)
            return
        with open(self.files[wanted], "rb") as file:
            content = file.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


if arguments == ["hang"]:
    hang()
else:
    Handler.files = dict(argument.split("=", 1) for argument in arguments)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    log(f"port {server.server_address[1]}")
    server.serve_forever()
