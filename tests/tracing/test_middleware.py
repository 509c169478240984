"""Traces learn from the request whom they belong to."""

import asyncio

import pytest
from channels.testing import ApplicationCommunicator
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.test import AsyncClient, RequestFactory

from tracing import current_trace, pseudonym, trace
from tracing.attribution import NOBODY, current
from tracing.middleware import TracingASGIMiddleware, TracingMiddleware, request_id


def view(request):
    with trace("ai_chat"):
        return HttpResponse("ok")


async def async_view(request):
    async with trace("ai_chat"):
        await asyncio.sleep(0)
        return HttpResponse("ok")


def request_of(user, **headers):
    request = RequestFactory(headers=headers).get("/")
    request.user = user

    async def auser():
        return user

    request.auser = auser
    return request


def test_a_request_gives_its_user_and_id(alice, traces):
    response = TracingMiddleware(view)(request_of(alice, X_Request_ID="proxy-1234"))

    assert (traces.last.user_id, traces.last.request_id) == (pseudonym(alice), "proxy-1234")
    assert response["X-Request-ID"] == "proxy-1234"
    assert current() == NOBODY


async def test_an_async_request_gives_its_user_and_id(alice, traces):
    response = await TracingMiddleware(async_view)(request_of(alice))

    assert traces.last.user_id == pseudonym(alice)
    assert traces.last.request_id == response["X-Request-ID"]
    assert current() == NOBODY


def test_nobody_has_no_id(traces):
    TracingMiddleware(view)(request_of(AnonymousUser()))

    assert traces.last.user_id == ""


@pytest.mark.parametrize(
    "given", ["", "short", "x" * 65, "a b c d e f g", "12345678\n", "éééééééé"]
)
def test_a_request_id_that_is_none_is_replaced(given):
    made = request_id(given)
    assert made != given
    assert len(made) == 32


def test_it_works_installed(client, db):
    assert len(client.get("/admin/login/")["X-Request-ID"]) == 32


async def test_it_works_installed_under_asgi(transactional_db):
    assert len((await AsyncClient().get("/admin/login/"))["X-Request-ID"]) == 32


async def test_a_websocket_gives_its_user_and_session(alice, traces):
    async def application(scope, receive, send):
        async with trace("ai_chat"):
            # Work begun in a task of its own belongs to the same person.
            await asyncio.create_task(turn())
        await send({"type": "websocket.close"})

    async def turn():
        with trace("inner"):
            pass

    scope = {
        "type": "websocket",
        "user": alice,
        "path": "/ws/conversations/c-1/",
        "headers": [(b"X-Request-ID", b"proxy-1234")],
    }
    wrapped = TracingASGIMiddleware(application, session_id=lambda scope: scope["path"][18:-1])
    await ApplicationCommunicator(wrapped, scope).receive_output(2)

    for one in traces.traces:
        assert (one.user_id, one.session_id) == (pseudonym(alice), "c-1")
        assert one.request_id == "proxy-1234"
    assert len(traces.traces) == 2
    assert current_trace() is None
