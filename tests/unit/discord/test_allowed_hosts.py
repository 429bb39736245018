"""Where the token may go, and where pictures may come from.

Seen to catch: a gateway's domain compared without its dot; plain http or another port accepted; a host that
only begins with Discord's; addresses that two parsers read differently, or that contain credentials.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.discord.allowed_hosts import host_of, is_loopback, picture_may_come_from, token_may_go_to


@pytest.mark.parametrize(
    "url",
    [
        "https://discord.com",
        "https://discord.com/api/v9/users/@me",
        "https://discord.com:443/api",
        "wss://gateway.discord.gg",
        "wss://gateway-us-east1-b.discord.gg/?v=9",
        "http://127.0.0.1:8080/api/v9",
        "ws://127.8.9.1:1",
        "ws://localhost:1234/",
        "http://[::1]:99/",
    ],
)
def test_the_token_may_go_to_discord_and_to_this_machine(url: str) -> None:
    assert token_may_go_to(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://discord.com/api",
        "ws://gateway.discord.gg",
        "https://gateway.discord.gg",
        "wss://discord.com",
        "wss://discord.gg",
        "https://discord.com:8443",
        "https://discord.com.example.org",
        "https://evildiscord.com",
        "wss://notdiscord.gg",
        "https://discord.com@example.org/",
        "https://example.org\\@discord.com/",
        "https://discord.com\t.example.org",
        "wss://example.org\\.discord.gg/",
        "wss://example.org\x7f.discord.gg/",
        "https://cdn.discordapp.com/attachments",
        "https://192.168.0.1/",
        "http://0.0.0.0:80",
        "http://2130706433/",
        "https://localhost.example.org",
        "ftp://127.0.0.1",
        "https://discord.com:notaport/",
        "https://[::1/",
        "discord.com",
        "",
    ],
)
def test_the_token_may_go_nowhere_else(url: str) -> None:
    assert not token_may_go_to(url)


def test_a_listed_host_may_receive_the_token_over_tls_only() -> None:
    listed = ["Proxy.Example.org", "other.example.org:8443"]
    assert token_may_go_to("https://proxy.example.org/api", listed)
    assert token_may_go_to("wss://proxy.example.org:9/", listed)
    assert token_may_go_to("https://other.example.org:8443/", listed)
    assert not token_may_go_to("https://other.example.org/", listed)
    assert not token_may_go_to("http://proxy.example.org/api", listed)
    assert not token_may_go_to("https://sub.proxy.example.org/", listed)


def test_pictures_come_from_listed_hosts_over_tls_or_from_this_machine() -> None:
    hosts = ["cdn.discordapp.com", "127.0.0.1:8080"]
    assert picture_may_come_from("https://cdn.discordapp.com/attachments/1/2/a.png?ex=1&", hosts)
    assert picture_may_come_from("http://127.0.0.1:8080/attachments/1/2/a.png", hosts)
    assert not picture_may_come_from("http://127.0.0.1:8081/attachments/1/2/a.png", hosts)
    assert not picture_may_come_from("http://cdn.discordapp.com/a.png", hosts)
    assert not picture_may_come_from("https://example.org/a.png", hosts)
    assert not picture_may_come_from("file:///etc/passwd", hosts)
    assert not picture_may_come_from("wss://cdn.discordapp.com/", hosts)


def test_an_ipv6_host_can_be_listed_with_its_port() -> None:
    assert picture_may_come_from("http://[::1]:8080/a.png", ["[::1]:8080"])
    assert picture_may_come_from("http://[::1]:8080/a.png", ["::1"])


def test_a_host_is_shown_without_path_and_credentials() -> None:
    assert host_of("https://example.org/secret?token=1") == "example.org"
    assert host_of("https://user:password@example.org/") == "?"


@given(st.text())
def test_no_text_breaks_the_rules(text: str) -> None:
    for url in (text, f"https://{text}", f"wss://{text}.discord.gg"):
        token_may_go_to(url)
        is_loopback(url)
        host_of(url)


@pytest.mark.parametrize(
    "url", ["wss://gateway.discord.gg:0", "wss://gateway.discord.gg/a b", "ws://127.0.0.1:0"]
)
def test_an_address_with_a_blank_or_port_0_gets_no_token(url: str) -> None:
    assert not token_may_go_to(url)
