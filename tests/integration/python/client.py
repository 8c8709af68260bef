# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
"""What python-socketio's client is put through: client.py sync|asyncio URL TOKEN TRANSPORTS(JSON, null as it comes).

Writes one JSON object a line: {"refused": ...} for a token that is no good, {"talked": ...} when it has said all it has
to say, {"back": ...} when it has come back after the connection was lost and has had the event that ends it.
"""
import asyncio
import json
import sys
import threading

import socketio

END = "the-end"


def plain(value):
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": list(value)}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return value


def tell(**what):
    print(json.dumps(plain(what)), flush=True)


def answer(data, part):
    return {"got": plain(data), "part": plain(part)}, b"\x07\x08"


ARGUMENTS = (1, "2", {"three": [True]}, b"\x01\x02\x03", {"deep": [b"\x04"]})


def options(transports):
    return {"transports": transports, "wait_timeout": 20} if transports else {"wait_timeout": 20}


def run_sync(url, token, transports):
    refused = {}
    stranger = socketio.Client(reconnection=False)
    stranger.on("connect_error", lambda data: refused.update(data))
    try:
        stranger.connect(url, auth={"token": "no-token"}, **options(transports))
    except socketio.exceptions.ConnectionError:
        tell(refused=refused)

    client = socketio.Client(reconnection_delay=0.1, reconnection_delay_max=0.3)
    seen = {"connects": 0, "back": None}
    first, back, end = threading.Event(), threading.Event(), threading.Event()

    @client.event
    def connect():
        seen["connects"] += 1

    @client.on("network.update")
    def on_update(data, *offset):
        first.set()

    @client.on("connection.new")
    def on_new(data, *offset):
        if data["userId"] == END:
            end.set()

    @client.on("message-back")
    def on_back(*arguments):
        seen["back"] = arguments
        back.set()

    client.on("question", answer)
    client.connect(url, auth=lambda: {"token": token}, **options(transports))
    first.wait(20)
    result = {"ack": client.call("message-with-ack", ARGUMENTS, timeout=20)}
    client.emit("message", ("x", b"\x05\x06", None))
    back.wait(20)
    result["value"] = client.call("value.get", {}, timeout=20)
    try:
        client.call("never", {}, timeout=0.3)
    except socketio.exceptions.TimeoutError:
        result["late"] = True
    tell(talked={**result, "back": seen["back"], "transport": client.transport()})
    if end.wait(40):
        tell(back={"connects": seen["connects"], "connected": client.connected})
    client.disconnect()


async def run_asyncio(url, token, transports):
    refused = {}
    stranger = socketio.AsyncClient(reconnection=False)
    stranger.on("connect_error", lambda data: refused.update(data))
    try:
        await stranger.connect(url, auth={"token": "no-token"}, **options(transports))
    except socketio.exceptions.ConnectionError:
        tell(refused=refused)

    client = socketio.AsyncClient(reconnection_delay=0.1, reconnection_delay_max=0.3)
    seen = {"connects": 0, "back": None}
    first, back, end = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @client.event
    async def connect():
        seen["connects"] += 1

    @client.on("network.update")
    async def on_update(data, *offset):
        first.set()

    @client.on("connection.new")
    async def on_new(data, *offset):
        if data["userId"] == END:
            end.set()

    @client.on("message-back")
    async def on_back(*arguments):
        seen["back"] = arguments
        back.set()

    client.on("question", answer)
    await client.connect(url, auth={"token": token}, **options(transports))
    await asyncio.wait_for(first.wait(), 20)
    result = {"ack": await client.call("message-with-ack", ARGUMENTS, timeout=20)}
    await client.emit("message", ("x", b"\x05\x06", None))
    await asyncio.wait_for(back.wait(), 20)
    result["value"] = await client.call("value.get", {}, timeout=20)
    try:
        await client.call("never", {}, timeout=0.3)
    except socketio.exceptions.TimeoutError:
        result["late"] = True
    tell(talked={**result, "back": seen["back"], "transport": client.transport()})
    await asyncio.wait_for(end.wait(), 40)
    tell(back={"connects": seen["connects"], "connected": client.connected})
    await client.disconnect()


def main():
    kind, url, token, transports = sys.argv[1:]
    if kind == "sync":
        run_sync(url, token, json.loads(transports))
    else:
        asyncio.run(run_asyncio(url, token, json.loads(transports)))


if __name__ == "__main__":
    main()
