"""Langfuse's ingestion route, as fast as it goes: reads each batch, counts it, accepts every event.

`--slow 2` answers each batch after so many seconds, `--hang` never. GET /counts says what has
arrived. The server of tests/servers checks each event by Langfuse's rules, which is too slow here.
"""

import argparse
import asyncio
import json
from collections import Counter

counts: Counter[str] = Counter()


async def answer(reader, writer, *, delay_seconds: float) -> None:
    try:
        while True:
            path, content = await _request(reader)
            if path == "/counts":
                await _respond(writer, b"200 OK", counts)
                continue
            await asyncio.sleep(delay_seconds)
            events = json.loads(content)["batch"]
            counts.update(event["type"] for event in events)
            counts["requests"] += 1
            successes = [{"id": event["id"], "status": 201} for event in events]
            await _respond(writer, b"207 Multi-Status", {"successes": successes, "errors": []})
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *headers = head.decode().lower().split("\r\n")
    fields = dict(header.split(":", 1) for header in headers if ":" in header)
    return first.split()[1], await reader.readexactly(int(fields.get("content-length", 0)))


async def _respond(writer: asyncio.StreamWriter, status: bytes, body: object) -> None:
    content = json.dumps(body).encode()
    writer.write(
        b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % (status, len(content))
    )
    writer.write(content)
    await writer.drain()


async def main() -> None:
    parser = argparse.ArgumentParser(description="Langfuse's ingestion route, for measuring.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--slow", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--hang", action="store_true")
    options = parser.parse_args()
    delay_seconds = 36_000.0 if options.hang else options.slow

    async def handle(reader, writer):
        await answer(reader, writer, delay_seconds=delay_seconds)

    server = await asyncio.start_server(handle, "127.0.0.1", options.port, limit=2**24)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
