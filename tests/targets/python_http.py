"""python_http.py http|flask SOCKET: a web server at a UNIX socket, by the standard library or by Flask, a thread for each
request, as tests/tools/http_load.py asks for it. Awkward: requests come all the time, and none may fail."""
import sys
import threading

import python_census

requests, prefix = 0, ""


def answer():
    global requests
    requests += 1
    return prefix + "served\n"


def by_library(path):
    import http.server
    import socketserver

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = answer().encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *ignored):
            pass

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads, request_queue_size = True, 128

    return Server(path, Handler)


def by_flask(path):
    import flask
    import werkzeug.serving

    class Handler(werkzeug.serving.WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, *ignored):
            pass

    app = flask.Flask("served")
    app.add_url_rule("/", view_func=answer)
    return werkzeug.serving.make_server("unix://" + path, 0, app, threaded=True, request_handler=Handler)


def health():
    return "served" if requests else "idle"


server = {"http": by_library, "flask": by_flask}[sys.argv[1]](sys.argv[2])
threading.Thread(target=server.serve_forever, daemon=True).start()
python_census.obey(health)
