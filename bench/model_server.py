"""An OpenAI-compatible server that costs little itself: it streams what the model's name says.

`bench-300-20` is 300 chunks of four characters and a blank, one each 20 ms; `bench-300-0` does not
wait. With `-stamped` each chunk is the time it was sent (time.monotonic, one clock for all
processes), so that the reader can tell how long it was on its way. Then a chunk with the usage, as
OpenAI does. A question may hold such a name too: it goes before the model's. More words for it:

prose       the answer has paragraphs and lists, as a tutor's has
timed       before the first chunk comes the time that the request had come
watched     who reads may go: `GET /ends` tells when each connection that was cut was closed

Who asks for JSON gets a list without items, spread over as many chunks.
"""

import argparse
import asyncio
import json
import re
import time

WISH = re.compile(r"bench-\d+-\d+[a-z-]*")
# After how many chunks of an answer in prose comes what: two paragraphs, then a list of four.
PROSE = {40: "\n\n", 80: "\n\n- ", 90: "\n- ", 100: "\n- ", 110: "\n- ", 120: "\n\n"}
ROUND = max(PROSE)

ends: list[float] = []  # when connections of watched answers were closed by their readers


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            request = await _request(reader)
            if request is None:
                writer.write(_json(ends))
                continue
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
            wish = _wish(request)
            if "response_format" in request:
                await _stream_list(writer, wish)
            elif "watched" in wish:
                await _stream_watched(reader, writer, wish)
            else:
                await _stream(writer, wish)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the client has what it wanted
    finally:
        writer.close()


async def _request(reader: asyncio.StreamReader) -> dict | None:
    """The question; None for somebody who asks who has gone."""
    head = await reader.readuntil(b"\r\n\r\n")
    if head.startswith(b"GET /ends "):
        return None
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    return json.loads(await reader.readexactly(length))


def _wish(request: dict) -> str:
    asked = WISH.findall(str(request["messages"][-1]["content"]))
    return asked[-1] if asked else request["model"]


async def _stream_watched(reader, writer, wish: str) -> None:
    """Stream, and note when the reader closes the connection before the end."""
    streaming = asyncio.create_task(_stream(writer, wish))
    watching = asyncio.create_task(reader.read(1))
    await asyncio.wait({streaming, watching}, return_when=asyncio.FIRST_COMPLETED)
    if watching.done():
        ends.append(time.monotonic())
        streaming.cancel()
    watching.cancel()
    await asyncio.gather(streaming, watching, return_exceptions=True)
    if streaming.cancelled():
        raise ConnectionError("the reader has gone")


async def _stream(writer: asyncio.StreamWriter, wish: str) -> None:
    _, chunks, pace_ms, *words = wish.split("-")
    before, after = _chunk({"content": "…"}).split(b"\\u2026")
    stamped, prose = "stamped" in words, "prose" in words
    pace_seconds = float(pace_ms) / 1000
    loop = asyncio.get_running_loop()
    due = loop.time()
    begun = f"{time.monotonic():.6f} " if "timed" in words else ""
    writer.write(_framed(_chunk({"role": "assistant", "content": ""})))
    for place in range(int(chunks)):
        if writer.is_closing():
            raise ConnectionError("the reader has gone")
        text = b"%.6f " % time.monotonic() if stamped else b"word "
        if prose and (mark := PROSE.get(place % ROUND + 1)):
            text += json.dumps(mark)[1:-1].encode()
        if begun:
            text, begun = begun.encode() + text, ""
        # One write each, as from a model: a server that does not wait still sends many packets.
        writer.write(_framed(before + text + after))
        due += pace_seconds
        await asyncio.sleep(max(0.0, due - loop.time()) if pace_seconds else 0)
    await _finish(writer, chunks)


async def _stream_list(writer: asyncio.StreamWriter, wish: str) -> None:
    _, chunks, pace_ms, *_ = wish.split("-")
    for text in ('{"items": [', *" " * int(chunks), "]}"):
        if writer.is_closing():
            raise ConnectionError("the reader has gone")
        writer.write(_framed(_chunk({"content": text})))
        await asyncio.sleep(float(pace_ms) / 1000)
    await _finish(writer, chunks)


async def _finish(writer: asyncio.StreamWriter, chunks: str) -> None:
    usage = {"prompt_tokens": 1941, "completion_tokens": int(chunks)}
    usage["total_tokens"] = sum(usage.values())
    writer.write(_framed(_chunk({}, finish_reason="stop")))
    writer.write(_framed(_chunk(None, usage=usage)))
    writer.write(_framed(b"data: [DONE]\n\n") + b"0\r\n\r\n")
    await writer.drain()


def _chunk(delta: dict | None, *, finish_reason: str | None = None, usage=None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    event = {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "system_fingerprint": "fp_06737a9306",
        "choices": [] if delta is None else [choice],
        "usage": usage,
    }
    return b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"


def _json(content) -> bytes:
    body = json.dumps(content).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def _framed(event: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(event), event)


async def main() -> None:
    parser = argparse.ArgumentParser(description="A model that streams what its name says.")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    server = await asyncio.start_server(answer, "127.0.0.1", options.port, limit=2**24)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
