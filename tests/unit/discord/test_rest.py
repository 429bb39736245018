import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from mjwatch.discord.rest import DiscordREST
from mjwatch.errors import AnsweredNoError, ConfigError, MjwatchError, NotReachedError, UnansweredError
from mjwatch.model import RefusalClass
from tests.helpers.raw_server import raw_server, read_request
from tests.helpers.timeouts import deadline
from tests.helpers.wire_servers import Answer, HttpServer, Request, answer_json, free_port, http_server

TOKEN = "an.invented-token_1"
APPLICATION = "936929561302675456"


class Api:
    """A server with answers that a test sets, and a client for it."""

    def __init__(self, server: HttpServer, answers: dict[str, Callable[[Request], Answer]]) -> None:
        self.server = server
        self.answers = answers
        self.rest = DiscordREST(f"{server.url}/api/v9", TOKEN, timeout=(deadline(20), deadline(20)))

    def answer(self, path: str, *answers: Answer) -> None:
        """Set the answers for this path (without query); the last one is repeated."""
        left = list(answers)
        self.answers[path] = lambda _request: left.pop(0) if len(left) > 1 else left[0]

    def refusal(self, call: Callable[[], object]) -> Any:
        with pytest.raises(AnsweredNoError) as caught:
            call()
        return caught.value.refusal


@pytest.fixture
def api() -> Iterator[Api]:
    answers: dict[str, Callable[[Request], Answer]] = {}

    def answer(request: Request) -> Answer:
        path = request.path.partition("?")[0].removeprefix("/api/v9")
        return answers[path](request) if path in answers else answer_json({"code": 0}, 404)

    with http_server(answer) as server:
        api = Api(server, answers)
        yield api
        api.rest.close()


def command(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": "938956540159881230",
        "application_id": APPLICATION,
        "version": "1237876415471554623",
        "type": 1,
        "name": name,
        "options": [{"type": 3, "name": "prompt"}],
    } | changes


# Headers and hosts


def test_the_token_is_sent_unchanged_and_the_client_names_itself(api: Api) -> None:
    api.answer("/users/@me", answer_json({"id": "100", "username": "ann"}))
    assert api.rest.me() == {"id": "100", "username": "ann"}
    (request,) = api.server.requests
    assert request.headers["Authorization"] == TOKEN
    assert request.headers["User-Agent"].startswith("mjwatch/")


def test_credentials_in_netrc_are_not_used(
    api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("default login ann password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    api.answer("/users/@me", answer_json({"id": "100"}))
    api.rest.me()
    assert api.server.requests[0].headers["Authorization"] == TOKEN


def test_this_machine_is_reached_directly_whatever_the_environment_says(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    api.answer("/users/@me", answer_json({"id": "100"}))
    assert api.rest.me()["id"] == "100"


@pytest.mark.parametrize(
    "url", ["http://discord.com/api", "https://example.org", "https://discord.com.x.org"]
)
def test_a_client_for_a_foreign_host_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="allow_hosts"):
        DiscordREST(url, TOKEN)
    DiscordREST("https://example.org", TOKEN, allow_hosts=["example.org"]).close()


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "tok\u00e9n"])
def test_an_impossible_token_is_not_repeated(token: str) -> None:
    with pytest.raises(ConfigError) as caught:
        DiscordREST("https://discord.com/api/v9", token)
    assert not token or token not in str(caught.value)


def test_only_http_proxies_are_accepted() -> None:
    with pytest.raises(ConfigError, match="http proxies"):
        DiscordREST("https://discord.com/api/v9", TOKEN, proxy="socks5://127.0.0.1:1080")


def test_a_redirect_is_not_followed(api: Api) -> None:
    api.answer("/users/@me", Answer(302, headers={"Location": f"{api.server.url}/api/v9/elsewhere"}))
    api.answer("/elsewhere", answer_json({}))
    assert api.refusal(api.rest.me).kind is RefusalClass.CONFIG
    assert len(api.server.requests) == 1


@pytest.mark.parametrize("location", ["http://[bad", "https://exa mple.org/\x00", "//", "javascript:1"])
def test_a_redirect_to_nonsense_is_handled_like_any_other(api: Api, location: str) -> None:
    api.answer("/users/@me", Answer(302, headers={"Location": location}))
    with pytest.raises((AnsweredNoError, NotReachedError, UnansweredError)):
        api.rest.me()


# Interactions


def test_an_accepted_interaction_is_sent_once_as_json(api: Api) -> None:
    api.answer("/interactions", Answer(204))
    api.rest.interact({"type": 2, "nonce": "1"})
    (request,) = api.server.requests
    assert request.method == "POST"
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.body) == {"type": 2, "nonce": "1"}


def test_a_refused_interaction_carries_its_refusal(api: Api) -> None:
    api.answer("/interactions", answer_json({"retry_after": 2.5, "global": False}, 429))
    refusal = api.refusal(lambda: api.rest.interact({}))
    assert (refusal.kind, refusal.retry_after) == (RefusalClass.RETRY, 2.5)
    api.answer("/interactions", Answer(429, b"error code: 1015", {"Content-Type": "text/plain"}))
    assert api.refusal(lambda: api.rest.interact({})).needs_human


@pytest.mark.parametrize(
    "answer",
    [
        answer_json({"code": 0}, 500),
        Answer(502, b"<html>"),
        answer_json({"code": 130000}, 503),
        Answer(200, b"hello"),
        answer_json({"code": 110000, "retry_after": 1}, 202),
        answer_json({"code": 110000}, 200),
        Answer(302, headers={"Location": "http://127.0.0.1:1/"}),
        Answer(408),
        Answer(raw=b""),
        Answer(raw=b"", cut=True),
        Answer(raw=b"this is no HTTP\r\n\r\n"),
        Answer(raw=b"HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\n{"),
        Answer(raw=b"HTTP/1.1 20"),
    ],
    ids=[
        "500",
        "502",
        "503",
        "200",
        "202",
        "200 with a code",
        "302",
        "408",
        "eof",
        "reset",
        "garbage",
        "cut body",
        "cut status",
    ],
)
def test_an_answer_that_leaves_the_execution_open_is_unanswered_and_never_sent_again(
    api: Api, answer: Answer
) -> None:
    api.answer("/interactions", answer)
    with pytest.raises(UnansweredError):
        api.rest.interact({"nonce": "1"})
    assert len(api.server.requests) == 1


@pytest.mark.parametrize(
    "date", [b"Tue, 01 Dec 2026 09:00:00 +99999999999999", b"Tue, 01 Dec 2" + b"0" * 30 + b" 09:00:00 GMT"]
)
def test_an_impossible_date_changes_no_answer(api: Api, date: bytes) -> None:
    api.answer("/interactions", Answer(raw=b"HTTP/1.1 204 No Content\r\nDate: " + date + b"\r\n\r\n"))
    api.rest.interact({})
    assert api.rest.server_time is None


def test_a_missing_answer_is_unanswered(api: Api) -> None:
    api.rest = DiscordREST(f"{api.server.url}/api/v9", TOKEN, timeout=(2, 0.1))
    api.answers["/interactions"] = lambda _request: (api.server.stopping.wait(deadline(20)), Answer(204))[1]
    with pytest.raises(UnansweredError, match="in time"):
        api.rest.interact({})


def test_a_kept_connection_that_the_server_closed_counts_as_unanswered_or_is_not_used(api: Api) -> None:
    api.answer("/users/@me", answer_json({"id": "1"}))
    api.rest.me()
    api.answer("/interactions", Answer(raw=b"", cut=True))
    with pytest.raises(UnansweredError):
        api.rest.interact({})
    assert [request.method for request in api.server.requests] == ["GET", "POST"]


def test_calls_share_a_connection(api: Api) -> None:
    api.answer("/interactions", Answer(204))
    api.answer("/users/@me", answer_json({"id": "1"}))
    for _ in range(3):
        api.rest.interact({})
        api.rest.me()
    assert api.server.connections == 1


LATE_REFUSAL = (
    b"HTTP/1.1 429 Too Many Requests\r\nVia: 1.1 google\r\nContent-Length: 20\r\n\r\n"
    + b'{"retry_after": 1.5}'
)
EMPTY = b"\r\nContent-Length: 0\r\n\r\n"


ODD = [
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n",
    b"HTTP/1.1 302 Found" + EMPTY,
    b"HTTP/1.1 408 Request Timeout" + EMPTY,
    b"HTTP/1.1 500 Internal Server Error" + EMPTY,
    b"HTTP/1.1 503 Service Unavailable" + EMPTY,
]
ODD_TO_COMMAND = [b"HTTP/1.1 200 OK" + EMPTY, b"HTTP/1.1 202 Accepted" + EMPTY]


@pytest.mark.parametrize(
    ("first", "answer"),
    [*(("me", answer) for answer in ODD), *(("interact", answer) for answer in ODD + ODD_TO_COMMAND)],
    ids=lambda value: value if isinstance(value, str) else value.split(b" ")[1].decode(),
)
def test_what_follows_an_odd_answer_is_not_taken_for_the_answer_to_the_next_command(
    first: str, answer: bytes
) -> None:
    received: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        received.append(read_request(connection))
        is_first = len(received) == 1
        connection.sendall(answer if is_first else b"HTTP/1.1 204 No Content\r\n\r\n")
        if is_first and read_request(connection):
            connection.sendall(LATE_REFUSAL)

    failures: list[BaseException] = []
    with raw_server(talk, failures) as port:
        rest = DiscordREST(f"http://127.0.0.1:{port}/api/v9", TOKEN, timeout=(deadline(20), deadline(20)))
        with suppress(AnsweredNoError) if first == "me" else pytest.raises(UnansweredError):
            rest.interact({"nonce": "1"}) if first == "interact" else rest.me()
        rest.interact({"nonce": "2"})
        rest.close()
    assert len(received) == 2
    assert failures == []


def test_no_listener_means_not_reached() -> None:
    rest = DiscordREST(f"http://127.0.0.1:{free_port()}/api", TOKEN)
    with pytest.raises(NotReachedError, match="refused"):
        rest.interact({})
    rest.close()


def test_a_host_without_address_means_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_more: object) -> object:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    rest = DiscordREST("https://discord.example.org/api", TOKEN, allow_hosts=["discord.example.org"])
    with pytest.raises(NotReachedError, match="Name or service not known"):
        rest.interact({})
    rest.close()


def test_a_failing_tls_handshake_means_not_reached(api: Api) -> None:
    rest = DiscordREST(
        f"https://127.0.0.1:{api.server.port}/api", TOKEN, timeout=(deadline(20), deadline(20))
    )
    with pytest.raises(NotReachedError):
        rest.interact({})
    rest.close()
    assert all("interactions" not in request.path for request in api.server.requests)


def test_a_tls_handshake_that_is_never_answered_means_not_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        rest = DiscordREST(f"https://127.0.0.1:{silent.getsockname()[1]}/api", TOKEN, timeout=(0.2, 0.2))
        with pytest.raises(NotReachedError):
            rest.interact({})
        rest.close()


def test_a_proxy_that_refuses_means_not_reached() -> None:
    with http_server(lambda _request: Answer(403)) as proxy:
        rest = DiscordREST(
            "https://discord.com/api/v9", TOKEN, proxy=f"http://ann:secret@127.0.0.1:{proxy.port}"
        )
        with pytest.raises(NotReachedError) as caught:
            rest.interact({})
        assert "secret" not in str(caught.value)
        rest.close()
    rest = DiscordREST("https://discord.com/api/v9", TOKEN, proxy=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NotReachedError):
        rest.interact({})
    rest.close()


def test_the_token_is_in_no_error_and_no_repr(api: Api) -> None:
    api.answer("/interactions", Answer(raw=b""))
    api.answer("/users/@me", Answer(401, b"{}"))
    for call in (lambda: api.rest.interact({}), api.rest.me):
        with pytest.raises(MjwatchError) as caught:
            call()
        error: BaseException | None = caught.value
        assert error is not None
        assert error.__suppress_context__ or error.__context__ is None
        assert TOKEN not in f"{error!r} {error} {error.__cause__!r}"
    assert TOKEN not in repr(api.rest)


# The command index


def test_a_command_is_found_by_application_name_and_type(api: Api) -> None:
    listed = [
        command("imagine", application_id="1", version="wrong application"),
        command("imagine", type=3, version="a message command"),
        command("info", version="wrong name"),
        "nonsense",
        {"name": "imagine", "application_id": APPLICATION},
        command("imagine"),
    ]
    api.answer("/guilds/7/application-command-index", answer_json({"application_commands": listed}))
    found = api.rest.command("imagine", APPLICATION, "7", "70")
    assert (found.id, found.version) == ("938956540159881230", "1237876415471554623")
    assert found.options == ({"type": 3, "name": "prompt"},)


def test_ids_of_commands_may_come_as_numbers_and_types_may_be_missing(api: Api) -> None:
    numbers = command("imagine", id=938, version=123, application_id=int(APPLICATION), type=None)
    listed = [command("imagine", version=True), command("imagine", version=None), numbers]
    api.answer("/guilds/7/application-command-index", answer_json({"application_commands": listed}))
    found = api.rest.command("imagine", APPLICATION, "7", "70")
    assert (found.id, found.version, found.application_id) == ("938", "123", APPLICATION)


def test_direct_messages_have_their_own_index(api: Api) -> None:
    api.answer(
        "/channels/20/application-command-index", answer_json({"application_commands": [command("info")]})
    )
    assert api.rest.command("info", APPLICATION, None, "20").name == "info"


def test_the_index_is_read_once_until_it_is_forgotten(api: Api) -> None:
    path = "/guilds/7/application-command-index"
    old, new = (answer_json({"application_commands": [command("imagine", version=v)]}) for v in ("1", "2"))
    api.answer(path, old, new)
    assert [api.rest.command("imagine", APPLICATION, "7", "70").version for _ in range(3)] == ["1"] * 3
    assert len(api.server.requests) == 1
    assert api.rest.forget_commands(floor=300) is True
    assert api.rest.command("imagine", APPLICATION, "7", "70").version == "2"
    assert api.rest.forget_commands(floor=300) is False
    assert api.rest.command("imagine", APPLICATION, "7", "70").version == "2"
    assert len(api.server.requests) == 2


@pytest.mark.parametrize("body", [{"application_commands": []}, {"application_commands": None}, [], "x"])
def test_a_command_that_is_not_available_is_a_configuration_problem(api: Api, body: object) -> None:
    api.answer("/guilds/7/application-command-index", answer_json(body))
    refusal = api.refusal(lambda: api.rest.command("imagine", APPLICATION, "7", "70"))
    assert (refusal.kind, refusal.needs_human) == (RefusalClass.CONFIG, True)
    assert "/imagine" in refusal.detail


def test_an_index_in_preparation_says_when_to_try_again(api: Api) -> None:
    api.answer("/guilds/7/application-command-index", answer_json({"code": 110000, "retry_after": 3}, 202))
    refusal = api.refusal(lambda: api.rest.command("imagine", APPLICATION, "7", "70"))
    assert (refusal.kind, refusal.retry_after) == (RefusalClass.RETRY, 3)


# Reading


def test_history_comes_oldest_first(api: Api) -> None:
    api.answer("/channels/70/messages", answer_json([{"id": "10"}, {"id": "9"}, {"x": 1}, {"id": "8"}]))
    assert [message["id"] for message in api.rest.history("70", after="7")] == ["8", "9", "10"]
    assert api.server.requests[0].path == "/api/v9/channels/70/messages?after=7&limit=100"
    assert len(api.rest.history("70")) == 3
    assert api.server.requests[1].path == "/api/v9/channels/70/messages?limit=100"


def test_messages_without_an_id_are_ignored(api: Api) -> None:
    odd: list[object] = ["\u00b2", "9" * 5000, "-1", "", None, True, -1, 2**70, 1.5, [], {}]
    listed = [*({"id": id_} for id_ in odd), None, 5, {"id": 11}, {"id": "10"}]
    api.answer("/channels/70/messages", answer_json(listed))
    assert [message["id"] for message in api.rest.history("70")] == ["10", 11]
    found = api.rest.message("70", "11")
    assert found is not None
    assert found["id"] == 11


def test_one_message_is_requested_with_around(api: Api) -> None:
    api.answer("/channels/70/messages", answer_json([{"id": "9", "content": "x"}]))
    assert api.rest.message("70", "9") == {"id": "9", "content": "x"}
    assert api.rest.message("70", "8") is None, "a neighbour is not the message"
    assert api.server.requests[0].path == "/api/v9/channels/70/messages?around=9&limit=1"


def test_urls_are_signed_again_fifty_at_a_time(api: Api) -> None:
    def sign(request: Request) -> Answer:
        urls = json.loads(request.body)["attachment_urls"]
        return answer_json({"refreshed_urls": [{"original": url, "refreshed": url + "?new"} for url in urls]})

    api.answers["/attachments/refresh-urls"] = sign
    urls = [f"https://cdn.example.org/{number}.png" for number in range(70)]
    fresh = api.rest.refresh_urls([*urls, *urls])
    assert fresh == {url: url + "?new" for url in urls}
    assert len(api.server.requests) == 2


def test_a_channel_is_returned_unchanged(api: Api) -> None:
    api.answer("/channels/70", answer_json({"id": "70", "guild_id": "7"}))
    assert api.rest.channel("70") == {"id": "70", "guild_id": "7"}


@pytest.mark.parametrize("body", [b"[1]", b"<html>", b""])
def test_an_answer_of_another_type_is_unanswered(api: Api, body: bytes) -> None:
    api.answer("/users/@me", Answer(200, body))
    with pytest.raises(UnansweredError):
        api.rest.me()


def test_threads_may_share_a_client(api: Api) -> None:
    api.answer("/users/@me", answer_json({"id": "1"}))
    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(api.rest.me()["id"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(deadline(20))
    assert got == ["1"] * 8


def test_a_refusal_that_repeats_the_token_is_shown_without_it(api: Api) -> None:
    """What Discord answers goes into manifests, ERROR.md and the status file."""
    errors = {
        "_errors": [{"code": f"{'x' * 30}{TOKEN}", "message": TOKEN}],
        TOKEN: {"_errors": [{"code": "A"}]},
    }
    api.answer("/interactions", answer_json({"code": 50035, "errors": errors}, 400))
    refusal = api.refusal(lambda: api.rest.interact({}))
    assert "***" in refusal.detail
    assert TOKEN[:12] not in refusal.detail
