"""Students with browsers, as far as a server can tell: cookies, a form's token, websockets."""

import asyncio
import json
import re
import urllib.parse
import urllib.request
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from http.cookiejar import CookieJar

from websockets.asyncio.client import ClientConnection, connect

PATIENCE_SECONDS = 60.0


@dataclass
class Heard:
    """What a tab heard of one question."""

    question: str
    text: str = ""
    status: str = ""
    troubles: list[dict] = field(default_factory=list)  # frames that no chat should show


class Student:
    """Logged in as `name`, password as the name."""

    def __init__(self, url: str, name: str):
        self.url = url
        self.name = name
        self.jar = CookieJar()
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self._browser.open(f"{url}/accounts/login/")
        self._post("/accounts/login/", username=name, password=name)

    def opens_conversation(self, course: str) -> str:
        page = self._post(f"/courses/{course}/conversations/")
        return re.search(r"conversations/([0-9a-f-]{36})", page.url)[1]

    def _post(self, path: str, **fields: str):
        fields["csrfmiddlewaretoken"] = next(c.value for c in self.jar if c.name == "csrftoken")
        content = urllib.parse.urlencode(fields).encode()
        return self._browser.open(
            urllib.request.Request(self.url + path, content, {"Referer": self.url})
        )

    @property
    def cookies(self) -> str:
        """As a browser sends them, to any port of the host."""
        return "; ".join(f"{c.name}={c.value}" for c in self.jar)

    def tab(self, conversation: str) -> connect:
        return connect(
            f"{self.url.replace('http', 'ws')}/ws/conversations/{conversation}/",
            origin=self.url,
            additional_headers={"Cookie": self.cookies},
            compression=None,
        )

    async def asks(self, conversation: str, questions: list[str]) -> list[Heard]:
        """Ask one after the other, each when the answer before has ended."""
        async with self.tab(conversation) as tab:
            return [await answer_to(tab, question) for question in questions]


async def answer_to(tab: ClientConnection, question: str) -> Heard:
    heard = Heard(question)
    await ask(tab, question)
    while not heard.status:
        match await next_frame(tab):
            case {"type": "turn.delta", "at": at, "text": text}:
                assert at == len(heard.text), "a frame is missing or came twice"
                heard.text += text
            case {"type": "turn.finished", "status": status}:
                heard.status = status
            case {"type": "error" | "turn.rejected"} as trouble:
                heard.troubles.append(trouble)
                heard.status = trouble["type"]
    return heard


async def begin_answer(student: Student, conversation: str, question: str, tabs: AsyncExitStack):
    """Ask, and wait for the first words; the tab stays open until `tabs` are closed."""
    tab = await tabs.enter_async_context(student.tab(conversation))
    await ask(tab, question)
    while (frame := await next_frame(tab))["type"] != "turn.delta":
        assert frame["type"] in ("ready", "turn.started", "turn.sources"), frame


async def ask(tab: ClientConnection, question: str) -> None:
    await tab.send(json.dumps({"type": "ask", "id": question[:100], "text": question}))


async def next_frame(tab: ClientConnection) -> dict:
    return json.loads(await asyncio.wait_for(tab.recv(), PATIENCE_SECONDS))
