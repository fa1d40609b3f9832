"""Answers every request with a greeting, on the socket that is open already: descriptor 3."""

import http.server
import os
import socket
import sys

# Another version greets differently: `make demo-lithos` changes this line.
GREETING = "Hello"


class Greeter(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{GREETING} from {os.environ.get('LITHOS_NAME', 'vagga')}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        print(self.path, file=sys.stderr, flush=True)


server = http.server.HTTPServer(("", 0), Greeter, bind_and_activate=False)
server.socket = socket.socket(fileno=3)
server.serve_forever()
