#!/usr/bin/env python3
"""Records what curl, GNU Wget and BusyBox's wget say of the same servers: wget.py BUSYBOX > wget.jsonl

A line is a case: how each program ended (`exit`, null where it was still running after 3 s), and what it printed.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

WAIT = 3
ECHO = b'{"headers": {"X-Forwarded-Client-Cert": "By=spiffe://a;Hash=1;URI=spiffe://b"}}\n'
WHY = b"upstream connect error or disconnect/reset before headers. reset reason: connection termination"


def response(status, *headers, body=b""):
    head = [f"HTTP/1.1 {status}", *headers, f"content-length: {len(body)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def answers(text, then=lambda connection: None):
    def serve(connection):
        request = b""
        while b"\r\n\r\n" not in request:
            part = connection.recv(4096)
            if not part:
                break
            request += part
        connection.sendall(text)
        then(connection)
    return serve


def reset(connection):
    # What was sent has to be read first: a reset discards it.
    time.sleep(0.2)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset_at_once(connection):
    connection.recv(10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


HALF = b"HTTP/1.1 200 OK\r\nserver: envoy\r\ncontent-length: 100\r\n\r\nhalf"
CASES = {
    "an echo": answers(response("200 OK", "server: envoy", "x-envoy-upstream-service-time: 3", body=ECHO)),
    "an echo in chunks": answers(b"HTTP/1.1 200 OK\r\nServer: istio-envoy\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    "no content": answers(b"HTTP/1.1 204 No Content\r\nserver: envoy\r\n\r\n"),
    "an answer after an interim one": answers(b"HTTP/1.1 100 Continue\r\n\r\n" + response("200 OK", "server: envoy", body=b"ok")),
    "an error of the client's proxy": answers(response("503 Service Unavailable", "content-type: text/plain", "server: envoy", body=WHY)),
    "an error without a body": answers(response("404 Not Found", "server: gunicorn")),
    "a missing token": answers(response("401 Unauthorized", "server: istio-envoy", 'www-authenticate: Bearer realm="x"', body=b"Jwt is missing")),
    "a bad request": answers(response("400 Bad Request", "server: gunicorn", body=b"no\n")),
    # Their servers are made last, when everybody else's port is known.
    "elsewhere": ...,
    "elsewhere, where there is an error": ...,
    "no HTTP": answers(b"220 smtp.example.com ESMTP\r\n"),
    "a reset": reset_at_once,
    "an end without an answer": lambda connection: connection.recv(4096),
    "silence": lambda connection: (connection.recv(4096), time.sleep(2 * WAIT)),
    "half an answer": answers(HALF),
    "half an answer, then a reset": answers(HALF, reset),
    "half an answer, then silence": answers(HALF, lambda connection: time.sleep(2 * WAIT)),
    "nobody listens": None,
    "no such name": "no-such-name.invalid",
}


def listen(serve):
    listener = socket.create_server(("127.0.0.1", 0))

    def handle(connection):
        with connection:
            serve(connection)

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    if serve is None:
        port = listener.getsockname()[1]
        listener.close()
        return port
    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def ran(argv):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={"PATH": os.environ["PATH"]})
        try:
            code = process.wait(timeout=WAIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = None
        out.seek(0), err.seek(0)
        return {"exit": code, "stdout": out.read().decode(), "stderr": err.read().decode()}


def cut(run):
    """Names and versions, and what the options are called."""
    lines = (run["stdout"] + run["stderr"]).splitlines()
    kept = [line for line in lines if line.startswith(("GNU Wget", "BusyBox"))]
    options = [line.split()[0] for line in lines if line.startswith("\t-")]
    stream = "stdout" if run["stdout"] else "stderr"
    return {**run, stream: "\n".join(kept + ["\t" + option for option in options])}


def main(busybox):
    ports = {}
    for name, serve in CASES.items():
        if callable(serve) or serve is None:
            ports[name] = listen(serve)
    for name in [name for name in CASES if name.startswith("elsewhere")]:
        target = "a bad request" if "error" in name else "an echo"
        location = f"location: http://127.0.0.1:{ports[target]}/"
        ports[name] = listen(answers(response("302 Found", location, "server: envoy")))
    gnu = ["wget", "-S", "-O", "-", "--no-config", "-nv", "-e", "use_proxy=no", "--tries=1", "--max-redirect=0", "--content-on-error",
           "--dns-timeout=1", "--connect-timeout=1", "--read-timeout=1", "-U", "x"]
    print(json.dumps({"case": "which", "gnu": cut(ran(["wget", "--version"])), "busybox": cut(ran([busybox, "wget", "--version"]))}))
    for name, serve in CASES.items():
        host = serve if isinstance(serve, str) else "127.0.0.1"
        url = f"http://{host}:{ports.get(name, 80)}/headers"
        print(json.dumps({
            "case": name,
            "curl": ran(["curl", "-q", "-s", "-S", "-i", "-m", "1", "-A", "x", "-w", "\n%{http_code}", url]),
            "gnu": ran([*gnu, url]),
            "busybox": ran([busybox, "wget", "-S", "-O", "-", "-q", "-Y", "off", "-U", "x", url]),
        }))


if __name__ == "__main__":
    main(*sys.argv[1:])
