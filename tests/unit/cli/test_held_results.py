"""Results that are held: shown with their link and with commands that work, assigned and dismissed."""

from __future__ import annotations

import json
import shlex
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from mjwatch.journal.reader import JournalReader
from mjwatch.midjourney.matching.foreign_jobs import ForeignJobs
from mjwatch.midjourney.matching.held_results import HeldResults
from mjwatch.midjourney.parsing.messages import read_message
from mjwatch.model import Job, State
from tests.helpers.check_workspace import write_keys
from tests.helpers.message_shapes import UUID_B, a_job, result

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.helpers.command_result import CommandResult

ADDRESS = "https://discord.com/channels/@me/1111000000000000003"
ONE = a_job("jobaaaaa", state=State.IN_DOUBT)
TWO = a_job("jobbbbbb", state=State.RUNNING)


@pytest.fixture
def held(journal: Callable[..., None]) -> None:
    """Two results and two equal prompts."""
    results = HeldResults(lambda **ids: None, ForeignJobs(), ADDRESS)
    for message in (result("700"), result("701", uuid=UUID_B)):
        assert results.hold(read_message("REST", message), [ONE, TWO])
    journal(ONE, TWO, held=results.stored())


def job(tmp_path: Path, job_id: str) -> Job:
    with closing(JournalReader(tmp_path / "state" / "journal.sqlite3")) as reader:
        found = reader.job(job_id)
    assert found is not None
    return found


@pytest.mark.usefixtures("held")
def test_status_and_show_have_the_link_and_the_commands(mjwatch: Callable[..., CommandResult]) -> None:
    status = mjwatch("status")
    assert "held     2 results wait for you" in status.out
    commands = [line.strip() for line in status.out.splitlines() if " assign " in line or " dismiss " in line]
    assert [command.split()[-3:] for command in commands if "assign" in command] == [
        ["assign", job_id, message] for message in ("700", "701") for job_id in ("jobaaaaa", "jobbbbbb")
    ]
    assert f"\n  {ADDRESS}/700\n" in status.out
    facts = json.loads(mjwatch("status", "--json").out)["held"]
    assert [fact["link"] for fact in facts] == [f"{ADDRESS}/700", f"{ADDRESS}/701"]
    assert facts[0]["jobs"] == ["jobaaaaa", "jobbbbbb"]
    assert [command for fact in facts for command in fact["commands"]] == commands
    shown = mjwatch("show", "jobaaaaa")
    assert "not clear whose it is" in shown.out
    assert "its fate" not in shown.out
    assert f"{ADDRESS}/701" in shown.out
    assert json.loads(mjwatch("show", "jobaaaaa", "--json").out)["held"] == facts


@pytest.mark.usefixtures("held")
def test_the_commands_that_are_shown_work_as_they_are_and_name_their_configuration(
    mjwatch: Callable[..., CommandResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mjwatch.config.SYSTEM_CONFIG", tmp_path / "none.toml")  # so it must be named
    facts = json.loads(mjwatch("status", "--json").out)["held"]
    program, *arguments = shlex.split(facts[0]["commands"][1])
    assert (program, arguments[:2]) == ("mjwatch", ["--config", str(tmp_path / "config.toml")])
    assigned = mjwatch(*arguments[2:])
    assert assigned.code == 0
    assert assigned.out.startswith(
        "jobbbbbb  message 700 is its result now; its pictures are fetched as soon"
    )
    two = job(tmp_path, "jobbbbbb")
    assert two.state is State.COLLECTING
    assert two.result is not None
    assert two.result.matched_by == "person"
    assert json.loads(mjwatch("status", "--json").out)["held"] == [], (
        "the other result can only be the other's"
    )
    assert job(tmp_path, "jobaaaaa").state is State.COLLECTING
    refused = mjwatch("assign", "jobaaaaa", "700")
    assert (refused.code, "has its result already, message 701" in refused.out) == (1, True)
    assert "is the result of job jobbbbbb" in mjwatch("dismiss", "700").out


@pytest.mark.usefixtures("held")
def test_a_result_is_dismissed_by_its_link_and_once_more(mjwatch: Callable[..., CommandResult]) -> None:
    for _ in range(2):
        answer = json.loads(mjwatch("dismiss", f"{ADDRESS}/700", "--json").out)
        assert answer["done"]
    facts = json.loads(mjwatch("status", "--json").out)["held"]
    assert [fact["message"] for fact in facts] == ["701"]
    assert mjwatch("dismiss", "999").code == 1


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("assign", "jobaaaaa", "the red one"), 2, "neither a message's id nor its link"),
        (("assign", "jobzzzzz", "700"), 1, "there is no job"),
        (("assign", "jobaaaaa", "https://discord.com/channels/@me/5/999"), 1, "another channel"),
    ],
)
def test_what_can_not_be_assigned_is_refused(
    mjwatch: Callable[..., CommandResult], keys: None, arguments: tuple[str, ...], code: int, text: str
) -> None:
    answer = mjwatch(*arguments)
    assert answer.code == code
    assert text in answer.err


@pytest.fixture
def keys(tmp_path: Path) -> None:
    """Write keys for a channel in direct messages."""
    (tmp_path / "keys").mkdir(0o700, exist_ok=True)
    write_keys(tmp_path, authToken="an-invented-token", API_channel_id="1111000000000000003")
