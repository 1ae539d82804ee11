"""A real HTTP server on this machine that speaks the chat protocol, as well or as badly as told."""

import json
import re
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HANG = 5.0  # seconds that a hanging answer takes, at most


class ChatServer:
    """Answers each request by ``script(body, number)``; keeps what it was sent.

    The script returns text, or a dict with ``text``, ``finish``, ``refusal``, ``status``,
    ``headers``, ``raw``, or one of the words 'hang' and 'reset'.
    """

    def __init__(self, script):
        self.script, self.bodies, self.headers, self.times = script, [], [], []
        self.under_way = self.most_under_way = 0
        self.lock, self.closing = threading.Lock(), threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Chat,), {"chat": self}))
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http.server_port}/v1"

    def prompts(self):
        return [body["messages"][0]["content"] for body in self.bodies]


class Chat(BaseHTTPRequestHandler):
    """One connection."""

    chat: ChatServer

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        chat = self.chat
        with chat.lock:
            number = len(chat.bodies)
            chat.bodies.append(body)
            chat.headers.append(dict(self.headers))
            chat.times.append(time.monotonic())
            chat.under_way += 1
            chat.most_under_way = max(chat.most_under_way, chat.under_way)
        try:
            self.answer(body, chat.script(body, number))
        finally:
            with chat.lock:
                chat.under_way -= 1

    def answer(self, body, told):
        if told == "hang":
            self.chat.closing.wait(HANG)
        elif told == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.wfile = open("/dev/null", "wb")  # noqa: SIM115
        else:
            told = {"text": told} if isinstance(told, str) else told
            data = told.get("raw", json.dumps(completion(body, **_said(told)))).encode()
            self.send_response(told.get("status", 200))
            for name, value in told.get("headers", {}).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)


def _said(told):
    return {name: told[name] for name in ("text", "finish", "refusal") if name in told}


def completion(body, text="", finish="stop", refusal=None):
    """Write a chat completion as a server does."""
    message = {"role": "assistant", "content": None if refusal else text, "refusal": refusal}
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {
        "object": "chat.completion",
        "model": body["model"],
        "choices": [choice],
        "usage": usage,
    }


def good(body, number=0):
    """Answer as a model does that keeps to the schema: all combinations of levels in turn."""
    row = body["response_format"]["json_schema"]["schema"]["properties"]["rows"]["items"]
    kinds = row["properties"]
    if "id" in kinds:
        count = len(kinds["id"]["enum"])
    else:
        count = int(re.search(r"Write (\d+) personas", body["messages"][0]["content"])[1])
    columns, every = {}, 1
    for name, kind in kinds.items():
        levels = kind.get("enum", ["A person of few words."])
        columns[name] = (
            levels if name == "id" else [levels[i // every % len(levels)] for i in range(count)]
        )
        every *= 1 if name == "id" else len(levels)
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    return json.dumps({"rows": rows})
