import pytest

from mjwatch.discord.http import Transport, ca_bundle, proxy_for, tls_context
from mjwatch.errors import ConfigError

VARIABLES = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_without_a_proxy_the_connection_is_direct() -> None:
    assert proxy_for("https://discord.com") is None


@pytest.mark.parametrize("url", ["https://discord.com/api", "wss://gateway.discord.gg/?v=9"])
def test_http_and_gateway_go_through_the_same_proxy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example.org:3128")
    assert proxy_for(url) == "http://proxy.example.org:3128"
    assert proxy_for(url, "http://other.example.org:1") == "http://other.example.org:1"


def test_all_proxy_and_no_proxy_are_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "proxy.example.org:3128")
    monkeypatch.setenv("no_proxy", "discord.com,.internal.example.org")
    assert proxy_for("wss://gateway.discord.gg") == "http://proxy.example.org:3128"
    assert proxy_for("https://discord.com/api") is None
    assert proxy_for("https://a.internal.example.org") is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "ws://localhost:1", "ws://[::1]:1"])
def test_this_machine_needs_no_proxy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example.org:3128")
    assert proxy_for(url, "http://proxy.example.org:3128") is None


@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:1080", "https://proxy.example.org", "http://", "http://x:y"]
)
def test_a_proxy_of_another_kind_is_an_error_that_does_not_repeat_it(proxy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        proxy_for("https://discord.com", proxy)
    assert proxy not in str(caught.value).replace("http://host:port", "")


def test_the_environment_names_the_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/at-all.pem")
    assert ca_bundle() == "/nowhere/at-all.pem"
    tls_context.cache_clear()
    with pytest.raises(ConfigError, match="at-all"):
        tls_context()
    with pytest.raises(ConfigError, match="at-all"):
        Transport(base_url="https://discord.com")
    Transport(base_url="http://127.0.0.1:1").close()  # no certificates are loaded where none are used
