"""``check --live``: a short session with the real service, recorded, step by step and at a person's pace.

It presses no button, solves no captcha and acknowledges no notice: where Discord or Midjourney asks for a
person, it ends. Of what it sends, the journal only counts the job; its picture stays in Discord.
"""

from __future__ import annotations

import queue
import random
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mjwatch.diagnostics.recording import WireRecording
from mjwatch.diagnostics.wire_evidence import conversation
from mjwatch.discord.allowed_hosts import token_may_go_to
from mjwatch.discord.connection import WebsocketConnection
from mjwatch.discord.json_values import objects_of, text_of
from mjwatch.discord.protocol import snowflake
from mjwatch.discord.session import GatewaySession
from mjwatch.errors import AnsweredNoError, MjwatchError, NoJournalError, NotReachedError, WireError
from mjwatch.events import GatewayAlive, GatewayReady, GatewayRejected, GatewayResumed
from mjwatch.host.lock import account_lock, daemon_lock
from mjwatch.journal.overview import capped_until
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.journal.writer import Journal
from mjwatch.midjourney.packets import ImaginePacket, InfoPacket, Target
from mjwatch.midjourney.parsing.messages import MessageKind, read_message
from mjwatch.trouble import resume_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from mjwatch.config import Config
    from mjwatch.discord.rest import ApplicationCommand
    from mjwatch.events import GatewayEvent
    from mjwatch.midjourney.packets import PacketAssembler
    from mjwatch.midjourney.parsing.parsed_message import ParsedMessage
    from mjwatch.settings.secrets import Keys

PROMPT = "a small paper boat on a still pond, seen from above"

OUTLINE = """\
This check talks to Discord as your account, slowly, and records in memory what comes back. At the end you
get a report without ids, names and prompts, and decide yourself whether to save and to publish it.

The terms of Discord and of Midjourney forbid to control an account by a program, at any pace; this check is
no exception (README.md). It presses no button and answers no question, captcha or notice.

What it does, each step after a pause:
  connect   one more session of your account at Discord's gateway               free
  resume    cuts its own connection once, and resumes the session               free
  index     reads which commands your account has in the channel                free
  info      sends /info to Midjourney; only you see the answer                  free
  history   reads the newest messages of the channel, one page                  free
  refresh   has Discord sign the address of one picture again                   free
Only after another question:
  imagine   sends one /imagine, "{prompt}"
                                                                  one job of your plan
While it runs, no other mjwatch may use this state folder, or this account in this channel on this machine."""


@dataclass(frozen=True, slots=True)
class LivePatience:
    """How long each part may take, in seconds."""

    pause: float = 4.0
    """The least pause between two steps; up to as much again is added."""
    session: float = 90.0
    """For READY and RESUMED."""
    answer: float = 30.0
    """For the answer to /info."""
    job: float = 1200.0
    after_final: float = 15.0
    """For the deletion of the progress message."""
    look: float = 60.0
    """Without a message of the running job, after which the history is read."""


class LiveApi(Protocol):
    """What the check needs of Discord's HTTP API; each call may raise WireError."""

    def command(
        self, name: str, application_id: str, guild_id: str | None, channel_id: str
    ) -> ApplicationCommand:
        """Return a command of the command index."""

    def interact(self, payload: Mapping[str, Any]) -> None:
        """POST an interaction, once."""

    def history(self, channel_id: str, after: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """Return one page of messages, oldest first."""

    def refresh_urls(self, urls: Iterable[str]) -> dict[str, str]:
        """Return newly signed addresses."""

    def close(self) -> None:
        """Close the connections."""


class CheckEndedError(MjwatchError):
    """The check can't continue; what was recorded until then counts."""


@contextmanager
def sole_use(config: Config, keys: Keys) -> Iterator[None]:
    """Keep every other mjwatch from this state folder, and from this account and channel.

    Raise DaemonError if one runs.
    """
    with (
        daemon_lock(config.state.path),
        account_lock(config.discord.api_url, keys.token.reveal(), keys.channel_id),
    ):
        yield


def obstacle_to_commands(config: Config, now: float) -> str | None:
    """Return why the journal of this installation forbids to send anything now; None if it does not."""
    with suppress(NoJournalError), closing(JournalReader(config.state.path / JOURNAL_FILE)) as reader:
        pause = reader.paused()
        if pause is not None:
            return f"sending is paused: {pause.reason}; {resume_hint(pause)}"
        return reader.sending_limit(now)
    return None


def obstacle_to_job(config: Config, now: float) -> str | None:
    """Return why no job may be sent now; None if one may."""
    most = config.pace.max_per_day
    with suppress(NoJournalError), closing(JournalReader(config.state.path / JOURNAL_FILE)) as reader:
        if reader.live_jobs():
            return "jobs wait for their result or are in doubt; let `mjwatch run --drain` finish them first"
        if capped_until(reader, most, now) is not None:
            return f"[pace] max_per_day = {most} is reached"
    return None


class LiveCheck:
    """One run. Use ``with`` it: at the end of the block the session at Discord ends.

    ``say`` gets lines for the person, ``ask`` a question and returns whether the answer was yes.
    """

    def __init__(
        self,
        config: Config,
        keys: Keys,
        connect: Callable[..., LiveApi],
        *,
        say: Callable[[str], None],
        ask: Callable[[str], bool],
        patience: LivePatience | None = None,
        prompt: str = PROMPT,
    ) -> None:
        self._config, self._keys = config, keys
        self._say, self._ask = say, ask
        self._patience = patience or LivePatience()
        self._prompt = prompt
        self.recording = WireRecording(
            keys.channel_id, keys.guild_id, config.midjourney.application_id, time.monotonic
        )
        self._events: queue.SimpleQueue[GatewayEvent] = queue.SimpleQueue()
        self._session_id = ""
        self._pictures: list[str] = []
        self._newest: str | None = None
        self._rest = connect(config, keys, self.recording.http)
        self._gateway = self._connection()

    def __enter__(self) -> LiveCheck:
        return self

    def __exit__(self, *_: object) -> None:
        self._gateway.stop(resumable=False)
        self._rest.close()

    def run(self) -> None:
        """Take all steps, the last one after another question. Raise MjwatchError if they can't go on."""
        self._connect()
        self._resume()
        self._tried("index", self._read_index)
        if (obstacle := obstacle_to_commands(self._config, time.time())) is not None:
            self._say(f"info      skipped, and no imagine later: {obstacle}")
        else:
            self._tried("info", self._info)
        self._tried("history", self._read_history)
        self._tried("refresh", self._refresh)
        if obstacle is None:
            self._offer_job()

    # ---- the steps

    def _connect(self) -> None:
        self._begin("connect")
        if self._keys.guild_id is not None:
            self._gateway.subscribe(self._keys.guild_id, self._keys.channel_id)
        self._gateway.start()
        ready = self._wait_for_session()
        if isinstance(ready, GatewayReady) and ready.required_action is not None:
            raise CheckEndedError(
                f"Discord limits this account until you act: {ready.required_action}",
                "open Discord and do what it asks",
            )
        self._gateway.probe()
        with suppress(CheckEndedError):  # it matters only that the gateway had time for the subscription
            self._wait_for_session(or_alive=True)
        self._say("connect   the session is up")

    def _resume(self) -> None:
        self._begin("resume")
        self._gateway.cut()
        outcome = self._wait_for_session()
        resumed = isinstance(outcome, GatewayResumed)
        self._say(f"resume    {'the session was resumed' if resumed else 'Discord began a new session'}")

    def _read_index(self) -> str:
        command = self._command("imagine")
        return f"/imagine is available, version {command.version}"

    def _info(self) -> str:
        self._post(InfoPacket(), _new_nonce())
        answer = self._waited(lambda: self._answer("info"), self._patience.answer)
        if answer is None:
            return f"Midjourney did not answer within {self._patience.answer:.0f} s"
        left = answer.info.fast_hours_left if answer.info is not None else None
        return "answered" if left is None else f"answered: {left:g} fast hours are left"

    def _read_history(self) -> str:
        messages = self._rest.history(self._keys.channel_id, limit=50)
        self._newest = text_of(messages[-1].get("id")) if messages else None
        files = [text_of(file.get("url")) for one in messages for file in objects_of(one.get("attachments"))]
        self._pictures = [url for url in files if url]
        return f"messages: {len(messages)}, with pictures: {len(self._pictures)}"

    def _refresh(self) -> str:
        if not self._pictures:
            return "skipped: the newest messages have no picture"
        self._rest.refresh_urls(self._pictures[-1:])
        return "Discord answered"

    def _offer_job(self) -> None:
        if (obstacle := obstacle_to_job(self._config, time.time())) is not None:
            self._say(f"imagine   skipped: {obstacle}")
        elif self._ask("Send one /imagine now? It costs one job of your plan."):
            had_pictures = bool(self._pictures)
            self._tried("imagine", self._imagine)
            self._tried("history", self._read_history)
            if not had_pictures:
                self._tried("refresh", self._refresh)
        else:
            self._say("imagine   not sent")

    def _imagine(self) -> str:
        with self._counted() as nonce:
            self._post(ImaginePacket(self._prompt), nonce)
        self._say("imagine   sent; waiting for the result, which may take minutes")
        end, look = time.monotonic() + self._patience.job, time.monotonic() + self._patience.look
        while time.monotonic() < end:
            if (outcome := self._outcome()) is not None:
                return outcome
            if time.monotonic() > look:
                look = time.monotonic() + self._patience.look
                if self._history_has_result():
                    return "the history has the result, but the gateway did not show it"
                if self._ended_without_result():
                    return "it ended without a result"
            self.recording.wait(min(0.2, self._patience.look))
        return f"no result within {self._patience.job / 60:.0f} minutes"

    @contextmanager
    def _counted(self) -> Iterator[str]:
        """Yield a nonce, and count the job that is sent with it, unless it surely was not executed.

        Raise JournalError, before anything is sent, if the journal can't be written.
        """
        nonce = _new_nonce()
        with closing(Journal(self._config.state.path / JOURNAL_FILE)) as journal:
            journal.count_submission(nonce, self._session_id, time.time())
            try:
                yield nonce
            except (AnsweredNoError, NotReachedError):
                journal.not_executed(nonce)
                raise

    def _outcome(self) -> str | None:
        """Return how the job ended, once that is seen."""
        found = conversation("imagine", self.recording.entries())
        if found is None:
            return None
        if found.final is not None:
            shown = found.progress[-1] if found.progress else found.start
            gone = shown is None or shown.id == found.final.id
            self._waited(
                lambda: gone or self._is_deleted(shown.id if shown else ""), self._patience.after_final
            )
            return "the result has come"
        refused = self._answer("imagine", MessageKind.REFUSED)
        return None if refused is None else self._refusal(refused)

    def _is_deleted(self, message_id: str) -> bool:
        found = conversation("imagine", self.recording.entries())
        return found is not None and found.deletion_of(message_id) is not None

    def _ended_without_result(self) -> bool:
        """Return whether Discord got no answer from the bot, or the message of the job is gone."""
        found = conversation("imagine", self.recording.entries())
        if found is None:
            return False
        is_gone = found.start is not None and found.deletion_of(found.start.id) is not None
        return is_gone or (found.start is None and found.event("INTERACTION_FAILURE") is not None)

    def _history_has_result(self) -> bool:
        """Return whether a result of this prompt is newer than what the history had before the job."""
        try:
            page = self._rest.history(self._keys.channel_id, self._newest, limit=50)
        except AnsweredNoError as error:
            if error.refusal.needs_human:
                raise
            return False
        except WireError:
            return False
        own = [one for one in page if text_of(one.get("content")).startswith(f"**{self._prompt}")]
        return any(read_message("REST", one).final for one in own)

    def _refusal(self, message: ParsedMessage) -> str:
        refusal = message.error
        if refusal is not None and refusal.needs_human:
            raise CheckEndedError(f"Midjourney asks for you: {refusal.detail}", refusal.advice)
        return "Midjourney refused the prompt" if refusal is None else f"refused: {refusal.detail}"

    # ---- the parts of a step

    def _begin(self, step: str) -> None:
        entries = self.recording.entries()
        if entries:
            time.sleep(self._patience.pause * (1 + random.random()))
        self.recording.step(step)

    def _tried(self, step: str, take: Callable[[], str]) -> None:
        """Take a step and say what came of it. Raise CheckEndedError where only a person can help."""
        self._begin(step)
        try:
            outcome = take()
        except AnsweredNoError as error:
            if error.refusal.needs_human:
                raise CheckEndedError(error.message, error.hint or error.refusal.advice) from error
            outcome = error.refusal.detail
        except WireError as error:
            outcome = error.message
        self._say(f"{step:<9} {outcome}")

    def _command(self, name: str) -> ApplicationCommand:
        """Return the command; an index that is not ready is asked for once more."""
        where = (self._config.midjourney.application_id, self._keys.guild_id, self._keys.channel_id)
        try:
            return self._rest.command(name, *where)
        except AnsweredNoError as error:
            if error.refusal.retry_after is None or error.refusal.retry_after > self._patience.answer:
                raise
            time.sleep(error.refusal.retry_after)
            return self._rest.command(name, *where)

    def _post(self, packet: PacketAssembler, nonce: str) -> None:
        target = Target(
            self._keys.channel_id,
            self._session_id,
            self._config.midjourney.application_id,
            self._keys.guild_id,
        )
        self._rest.interact(packet.assemble(self._command(packet.name), target, nonce))

    def _answer(self, command: str, kind: MessageKind | None = None) -> ParsedMessage | None:
        """Return the message that answers a command, and is of this kind; raise CheckEndedError if needed."""
        found = conversation(command, self.recording.entries())
        if found is None:
            return None
        bots = frozenset({self._config.midjourney.application_id})
        for message in found.messages:
            parsed = read_message(message.event, message.payload, bots, [self._prompt])
            if parsed.kind is MessageKind.REFUSED and parsed.error is not None and parsed.error.needs_human:
                raise CheckEndedError(f"Midjourney asks for you: {parsed.error.detail}", parsed.error.advice)
            if parsed.kind is (kind or MessageKind.INFO):
                return parsed
        if any(entry.name == "INTERACTION_IFRAME_MODAL_CREATE" for _, entry in found.events):
            raise CheckEndedError(
                "Midjourney opened a check for a person", "run a command by hand in Discord"
            )
        return None

    def _wait_for_session(self, *, or_alive: bool = False) -> GatewayReady | GatewayResumed | GatewayAlive:
        """Return READY or RESUMED, or an answered heartbeat. Raise CheckEndedError."""
        end = time.monotonic() + self._patience.session
        with suppress(queue.Empty):
            while True:
                event = self._events.get(timeout=max(0.0, end - time.monotonic()))
                if isinstance(event, GatewayRejected):
                    raise CheckEndedError(f"Discord's gateway rejects the session: {event.reason}")
                if isinstance(event, GatewayReady | GatewayResumed):
                    self._session_id = event.session_id
                    return event
                if or_alive and isinstance(event, GatewayAlive):
                    return event
        raise CheckEndedError(
            f"Discord's gateway began no session within {self._patience.session:.0f} s",
            "check the network, and gateway_url and proxy in [discord]",
        )

    def _waited(self, look: Callable[[], Any], seconds: float) -> Any:
        """Return what ``look`` finds, as soon as it finds something; None after these seconds."""
        end = time.monotonic() + seconds
        while not (found := look()) and time.monotonic() < end:
            self.recording.wait(min(0.2, max(0.01, end - time.monotonic())))
        return found or None

    def _connection(self) -> WebsocketConnection:
        discord = self._config.discord
        session = GatewaySession(
            self._keys.token.reveal(),
            random=random.random,
            gateway_url=discord.gateway_url,
            wanted=lambda name, data: False,
            allowed=lambda url: token_may_go_to(url, discord.allow_hosts),
        )
        return WebsocketConnection(session, self._events.put, proxy=discord.proxy, tap=self.recording.gateway)


def _new_nonce() -> str:
    return snowflake(int(time.time() * 1000), random.getrandbits(22))
