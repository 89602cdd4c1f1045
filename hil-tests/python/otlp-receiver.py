"""Receives OTLP over HTTPS on ::1 by OpenTelemetry's own messages: each request is a line of JSON on standard output.

    otlp-receiver.py CERTIFICATE KEY TOKEN

The first line is the port. What is no request, or shows another token, is refused as the protocol says.
"""

import gzip
import http.server
import json
import socket
import ssl
import sys

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

certificate, key, token = sys.argv[1:]


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path != "/v1/metrics":
            return self.answer(404)
        if self.headers["authorization"] != f"Bearer {token}":
            return self.answer(401)
        if self.headers["content-type"] != "application/x-protobuf" or self.headers["content-encoding"] != "gzip":
            return self.answer(415)
        request = ExportMetricsServiceRequest()
        request.ParseFromString(gzip.decompress(body))
        # A field that the messages do not have would be kept here.
        known = ExportMetricsServiceRequest()
        known.CopyFrom(request)
        known.DiscardUnknownFields()
        told = {"unknown": known.SerializeToString() != request.SerializeToString(), **MessageToDict(request)}
        print(json.dumps(told), flush=True)
        answer = ExportMetricsServiceResponse()
        answer.partial_success.rejected_data_points = 3
        answer.partial_success.error_message = "three are too old"
        self.answer(200, answer.SerializeToString())

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = Server(("::1", 0), Receiver)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
