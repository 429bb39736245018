"""A person settles results that may be of several jobs: equal prompts by hand and by file.

The simulated Midjourney of 2023 gives its results no id that tells equal prompts apart.
"""

from __future__ import annotations

import json
import shlex
import signal
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from mjwatch.cli.app import app
from mjwatch.client.discord_api import read_message
from mjwatch.config import Config, load_keys
from mjwatch.discord.rest import DiscordREST
from mjwatch.midjourney.parsing.messages import read_message as parse
from tests.scenarios.stage import HANG, Stage, open_stage, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMPT = "a held cat"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("held") / "w"
    with open_stage(folder, "--profile", "2023", "--seconds-per-job", "0.4") as stage:
        yield stage
        stage.check_simulator_record()


def command(stage: Stage, text: str, *options: str) -> tuple[int, str]:
    """Run a command as ``status`` shows it, to be copied."""
    program, *arguments = shlex.split(text)
    assert (program, arguments[:2]) == ("mjwatch", ["--config", str(stage.config)])
    result = CliRunner().invoke(app, [*arguments, *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout


def status(stage: Stage) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(command(stage, f"mjwatch --config {stage.config} status", "--json")[1])
    return facts


def held_by_hand_and_by_file(stage: Stage, prompt: str) -> list[dict[str, Any]]:
    """Drop a file while its owner types the same prompt; return the two results that are held."""
    stage.arm_fault(fault="by_hand_twin", match=prompt)
    stage.drop(f"{prompt.replace(' ', '-')}.ready.txt", f"{prompt}\n")
    wait_until(lambda: len(status(stage)["held"]) == 2, "two results that are held")
    held: list[dict[str, Any]] = status(stage)["held"]
    assert held[0]["jobs"] == held[1]["jobs"]
    return held


def uuid_of(stage: Stage, message: str) -> str:
    """Return the job that a picture in the channel shows, as a person sees by looking at it."""
    found = read_message(Config.load(stage.config), message, message)
    assert found is not None
    return parse("REST", found).job_uuid or ""


def own_and_other(stage: Stage, held: list[dict[str, Any]], prompt: str) -> tuple[Any, Any]:
    """Return the held result of the file's job, and that of the job by hand."""
    (entry,) = [entry for entry in stage.simulator_state()["interactions"] if entry["prompt"] == prompt]
    first, second = held
    own_first = uuid_of(stage, first["message"]) == entry["job_uuid"]
    return (first, second) if own_first else (second, first)


def published(stage: Stage, job_id: str) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        return next((m for m in stage.manifests() if m["job"] == job_id and m["state"] == "done"), None)

    manifest: dict[str, Any] = wait_until(found, f"the pictures of {job_id}")
    assert manifest["discord"]["matched_by"] in {"person", "text"}
    assert len(manifest["images"]) == 4
    return manifest


def test_a_person_assigns_a_result_while_the_service_runs_and_after_it_was_killed(stage: Stage) -> None:
    daemon = stage.start_ready()
    held = held_by_hand_and_by_file(stage, PROMPT)
    wait_until(lambda: "a result may be of job" in stage.log, "the log entry")
    daemon.kill()
    daemon.wait(timeout=HANG)
    daemon = stage.start_ready()
    assert status(stage)["held"] == held
    own, other = own_and_other(stage, held, PROMPT)
    code, answer = command(stage, own["commands"][0])
    assert (code, "is its result now; its pictures are fetched\n" in answer) == (0, True)
    assert published(stage, own["jobs"][0])["discord"]["matched_by"] == "person"
    wait_until(lambda: status(stage)["held"] == [], "the other one can only be the job's by hand")
    assert command(stage, other["commands"][0])[0] == 1
    assert stage.stop(daemon) == 0


def test_a_person_dismisses_a_result_while_no_service_runs_so_that_the_other_is_clear(stage: Stage) -> None:
    prompt = f"{PROMPT} asleep"
    daemon = stage.start_ready()
    held = held_by_hand_and_by_file(stage, prompt)
    assert stage.stop(daemon) == 0
    assert json.loads((stage.outbox / "status.json").read_text())["held"] == held
    assert held[0]["link"] in (stage.outbox / "_gallery" / "status.js").read_text()
    own, other = own_and_other(stage, held, prompt)
    assert command(stage, other["commands"][1])[0] == 0
    command(stage, own["commands"][0])
    assert status(stage)["held"] == []
    stage.drain()
    assert published(stage, own["jobs"][0])["discord"]["message_id"] == own["message"]


def test_a_result_that_was_missed_is_assigned_by_its_link_while_no_service_runs(stage: Stage) -> None:
    prompt = "a missed cat"
    daemon = stage.start_ready()
    stage.arm_fault(fault="final_lost", match=prompt)
    stage.drop("missed.ready.txt", f"{prompt}\n")
    wait_until(lambda: "done" in outcomes(stage, prompt), "its end at Midjourney")
    daemon.send_signal(signal.SIGKILL)
    daemon.wait(timeout=HANG)
    (job,) = status(stage)["live"]
    config, keys = Config.load(stage.config), load_keys(Config.load(stage.config))
    with closing(DiscordREST(config.discord.api_url, keys.token.reveal())) as rest:
        message_id = rest.history(keys.channel_id)[-1]["id"]
    link = f"https://discord.com/channels/{keys.guild_id or '@me'}/{keys.channel_id}/{message_id}"
    code, answer = command(stage, f"mjwatch --config {stage.config} assign {job['job']} {link}")
    assert (code, "its result now" in answer) == (0, True), answer
    stage.drain()
    assert published(stage, job["job"])["discord"]["matched_by"] == "person"


def outcomes(stage: Stage, prompt: str) -> set[str]:
    return {e["outcome"] for e in stage.simulator_state()["interactions"] if e["prompt"] == prompt}
