"""Permutations, and the confirmation that the bot asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.simulator.messages.prompt_text import JOBS_MAX, expanded
from tests.simulator.harness import play, simulated


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("a cat", ["a cat"]),
        ("a {red, blue} cat", ["a red cat", "a blue cat"]),
        ("{a, b} {c, d}", ["a c", "a d", "b c", "b d"]),
        ("a {red\\, very, blue} cat", ["a red\\, very cat", "a blue cat"]),
        ("a \\{red, blue\\} cat", ["a \\{red, blue\\} cat"]),
        ("a cat --repeat 3", ["a cat", "a cat", "a cat"]),
        ("a {red, blue} cat --ar 3:2 --r 2", ["a red cat --ar 3:2"] * 2 + ["a blue cat --ar 3:2"] * 2),
        ("a cat --repeat many", ["a cat --repeat many"]),
        ("a {red} cat", ["a red cat"]),
    ],
)
def test_a_permutation_has_so_many_prompts(prompt: str, prompts: list[str]) -> None:
    assert expanded(prompt) == prompts


@given(st.text(alphabet="{}, a\\-r9", max_size=60))
def test_no_permutation_has_too_many_prompts(prompt: str) -> None:
    assert 1 <= len(expanded(prompt)) <= JOBS_MAX + 1


@pytest.mark.parametrize("prompt", ["a {red, blue} cat", "a cat --repeat 2"])
def test_nothing_is_rendered_before_the_confirmation(prompt: str) -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            body = await client.imagine(prompt, gateway)
            question = await gateway.refusal()
            assert (question["nonce"], question["flags"]) == (body["nonce"], 64)
            assert "2 jobs" in question["embeds"][0]["description"]
            state = await client.state()
            assert [one["outcome"] for one in state["interactions"]] == ["asked"]
            assert state["renderings"] == []
            yes, no = question["components"][0]["components"]
            await client.press(gateway, question, yes["custom_id"])
            changed = await gateway.event("MESSAGE_UPDATE", lambda message: message["id"] == question["id"])
            assert changed["components"] == []
            starts = [await gateway.event("MESSAGE_CREATE") for _ in range(2)]
            assert all("nonce" not in start and "interaction" not in start for start in starts)
            finals = [await gateway.final(), await gateway.final()]
            assert len({final["id"] for final in finals}) == 2
            state = await client.state()
            assert [one["outcome"] for one in state["interactions"]] == ["asked", "done"]
            press = state["interactions"][1]["nonce"]
            assert [one["nonce"] for one in state["renderings"]] == [press, press]
            status, _ = await client.post(await client.press_body(gateway, question, no["custom_id"]))
            assert status == 400

    play(scenario)


def test_after_no_nothing_is_rendered() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            await client.imagine("{a, b}", gateway)
            question = await gateway.refusal()
            await client.press(gateway, question, question["components"][0]["components"][1]["custom_id"])
            await gateway.event("MESSAGE_UPDATE")
            assert await client.outcomes() == ["asked", "done"]
            assert (await client.state())["renderings"] == []

    play(scenario)


def test_too_many_and_banned_ones_are_refused_without_a_question() -> None:
    async def scenario() -> None:
        async with simulated() as client, client.gateway() as gateway:
            await gateway.identify()
            for prompt, title in (
                ("{a, b} banned-word-test", "Banned prompt"),
                ("a cat --repeat 41", "Invalid request"),
            ):
                await client.imagine(prompt, gateway)
                assert (await gateway.refusal())["embeds"][0]["title"] == title
            assert await client.outcomes() == ["refused", "refused"]

    play(scenario)
