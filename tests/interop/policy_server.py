"""A web server with MTA-STS policies: well served, or badly in a way of choice."""

import http.server
import ssl
import threading
import time

from place import place

PATH = "/.well-known/mta-sts.txt"


def policy(mode="enforce", mx=("*.example",), max_age=86400):
    return "".join(f"{line}\r\n" for line in
                   ["version: STSv1", f"mode: {mode}", *[f"mx: {host}" for host in mx],
                    f"max_age: {max_age}"]).encode()


class PolicyServer:
    """HTTPS at place().address(number), a port of its own. .answers: {domain: policy, or a function
    of the request}; .asked: the domains that were asked for, in order."""

    def __init__(self, number, certificate):
        self.answers = {}
        self.asked = []
        self.certificates = {}  # {host: another certificate}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                domain = self.headers["Host"].split(":")[0].removeprefix("mta-sts.")
                outer.asked.append(domain)
                answer = outer.answers.get(domain)
                if callable(answer):
                    answer(self)
                elif self.path != PATH or answer is None:
                    self.reply(404, b"not found\n")
                else:
                    self.reply(200, answer)

            def reply(self, status, body, kind="text/plain", **headers):
                self.send_response(status)
                if kind:
                    self.send_header("Content-Type", kind)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a client that does not like us

        self.server = Server((place().address(number), 0), Handler)
        self.address = place().address(number)
        self.port = self.server.server_address[1]
        context = self._context(certificate)
        context.sni_callback = self._choose
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def _context(certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.path)
        return context

    def _choose(self, tls, host, _context):
        if host in self.certificates:
            tls.context = self._context(self.certificates[host])

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def redirects_to(where):
    return lambda request: request.reply(302, b"there\n", Location=where)


def of_type(kind, text=None):
    return lambda request: request.reply(200, text or policy(), kind)


def slowly(seconds):
    """The first line, and nothing more for so long."""
    def answer(request):
        request.send_response(200)
        request.send_header("Content-Type", "text/plain")
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b"version: STSv1\r\n")
        request.wfile.flush()
        time.sleep(seconds)
    return answer
