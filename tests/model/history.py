"""Random histories: what people, Discord, Midjourney and the machine do in turn."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.model import Job, Refusal, RefusalClass, State
from tests.helpers.message_shapes import CHANNEL, refused
from tests.model.client import Client, empty
from tests.model.promises import Promises
from tests.model.world import BotJob, World, Year

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.journal.writer import Journal

PROMPTS = (
    *("a red cat", "a red cat --ar 3:2", "a red cat --ar 2:3", "a red cat --v 7", "a red  cat --no dogs"),
    *("a red cat", "a red cat --ar 3:2", "a red cat at night", "a blue dog", "a red cat \u2014ar 3:2"),
)
FEW = ("a red cat", "a red cat --ar 3:2")
STEP_OF_THE_END, STEPS_OF_THE_END = 700.0, 60
"""Seconds and number of the steps at the end: half a day, so that every time limit and every lookup comes."""


class ViolationError(AssertionError):
    """A promise is broken; ``story`` is the history as text."""


class History:
    """One random history. The same seed gives the same history on the same code."""

    def __init__(self, journal: Journal, seed: int, counts: Counter[str] | None = None) -> None:
        empty(journal)
        self.seed = seed
        self.rng = Random(seed)
        self.world = World(self.rng, Year.drawn(self.rng))
        self.story: list[str] = [f"seed {seed}: {self.world.year}"]
        self.counts = Counter() if counts is None else counts
        self.client = Client(journal, self.world)
        self.promises = Promises(self.client, self.world, self.counts)
        self._told: dict[str, str] = {}
        self.prompts = self.rng.choice([PROMPTS, FEW, FEW[:1]])
        self.hidden = False
        self.steps = self._weighted()
        # Added later, and drawn apart, so that the seeds of all other histories keep their meaning.
        if Random(f"late {seed}").random() < 0.2:
            self.steps += [self._miss_a_start] * 3
        apart = Random(f"refused {seed}")
        self._fails: Callable[[], bool] = lambda: False
        if apart.random() < 0.15:
            self.steps += [self._refuse_by_hand] * 2
            self._fails = lambda: apart.random() < 0.3

    def _weighted(self) -> list[Callable[[], None]]:
        """Return the steps, each as often as it weighs in this history."""
        weights: list[tuple[Callable[[], None], int]] = [
            (self._drop, 3),
            (self._by_hand, self.rng.choice([0, 2, 4])),
            (self._answer_post, 8),
            (self._advance_bot, 14),
            (self._answer_history, 5),
            (self._publish, 4),
            (self._probe, 3),
            (self._cut, self.rng.choice([0, 1, 3])),
            (self._connect, 6),
            (self._restart, self.rng.choice([0, 0, 1])),
            (self._wait_a_little, 3),
            (self._wait_for_limit, self.rng.choice([0, 1, 2])),
            (self._person_acts, 4),
            (self._hide_history, self.rng.choice([0, 0, 1])),
            (self._outage, self.rng.choice([0, 0, 1, 2])),
            (self._lose_and_retry, self.rng.choice([0, 0, 1, 3])),
            (self._deafen, self.rng.choice([0, 0, 0, 1])),
        ]
        return [step for step, weight in weights for _ in range(weight)]

    def run(self, length: int = 60) -> None:
        """Live through a history, then through its end; raise ViolationError where a promise is broken."""
        try:
            self.client.identify()
            for _ in range(length):
                self.rng.choice(self.steps)()
                self.world.now += self.rng.choice([0.01, 0.3, 2.0])
            self._end()
            self.promises.check_end()
            if not self.promises.was_hidden:
                self.promises.check_collected()
            if self.rng.random() < 0.5:
                self._settle_all()
                self._end()
                self.promises.check_end()
        except AssertionError as error:
            raise ViolationError("\n".join([*self.story, f"VIOLATION: {error}"])) from error

    def tell(self, text: str) -> None:
        """Add a line to the story, and one for each job of ours that has changed."""
        self.counts[text.split(":")[0]] += 1
        self.story.append(f"{self.world.now - 1_790_000_000:9.1f} {text}")
        for job in self.client.jobs():
            line = f"{job!r} {job.prompt.text!r}" + (
                f" start {job.message_id[-6:]}" if job.message_id else ""
            )
            if self._told.get(job.id) != line:
                self._told[job.id] = line
                self.story.append(f"              {line}")
        assert self.client.broken is None, self.client.broken

    # ---- people

    def _drop(self, prompt: str | None = None) -> None:
        if len(self.client.jobs()) < 4:
            prompt = prompt or self.rng.choice(self.prompts)
            self.client.drop(prompt)
            self.tell(f"file: {prompt!r}")

    def _by_hand(self) -> None:
        if sum(job.owner is None for job in self.world.jobs) >= 3:
            return
        grids = [job for job in self.world.jobs if job.final_id is not None]
        if grids and self.rng.random() < 0.2:
            grid = self.rng.choice(grids)
            job = self.world.execute(grid.prompt, self.world.new_id(), own=False, pressed=grid.final_id)
        else:
            job = self.world.execute(self.rng.choice(self.prompts), self.world.new_id(), own=False)
        self.tell(f"by hand: {job}" + (" (a reroll)" if job.pressed else ""))

    def _person_acts(self) -> None:
        held = self.client.held()
        if held and self.rng.random() < 0.5:
            self._settle_held(self.rng.choice(held))
            return
        jobs = self.client.jobs()
        doubtful = [
            job for job in jobs if job.state is State.IN_DOUBT and self.client.channel.waits_for_person(job)
        ]
        if doubtful and self.rng.random() < 0.7:
            self._retry(self.rng.choice(doubtful))
        elif jobs and self.rng.random() < 0.08:
            job = self.rng.choice(jobs)
            self.promises.cancelled.add(job.id)
            self.client.cancel(job)
            self.tell(f"cancel: {job.id}")

    def _settle_held(self, message_id: str) -> None:
        """A person looks at the picture and says whose it is."""
        made = self.world.truth[message_id]
        owners = [job for job in self.client.jobs() if made in self.promises.made_by(job)]
        if not owners:
            self.client.dismiss(message_id)
            self.tell(f"dismissed: {message_id[-6:]} of {made}")
        elif owners[0].result is None:
            done = self.client.assign(owners[0], message_id)
            self.tell(f"assigned: {message_id[-6:]} to {owners[0].id}, {'done' if done else 'not accepted'}")

    def _settle_all(self) -> None:
        """A person settles all that waits for one, and has the rest sent again."""
        for message_id in self.client.held():
            self._settle_held(message_id)
        for job in self.client.jobs():
            if job.state is State.IN_DOUBT and self.client.channel.waits_for_person(job):
                self._retry(job)

    def _retry(self, job: Job) -> None:
        self.promises.retries[job.id] += 1
        self.promises.given_up |= set(job.nonces)
        self.client.retry(job)
        self.tell(f"retry: {job.id}")

    # ---- POSTs

    def _answer_post(self) -> None:
        effect = self.client.take(ef.Submit)
        if effect is None:
            return
        job, drawn = effect.job, self.rng.random()
        nonce = job.nonce or ""
        answer: ev.JobEvent
        if drawn < 0.62:
            self._execute(job)
            answer, text = ev.Accepted(), "executed, 204"
        elif drawn < 0.74:
            self._execute(job)
            answer, text = ev.OutcomeUnknown("no answer"), "executed, no answer"
        elif drawn < 0.86:
            answer, text = ev.OutcomeUnknown("no answer"), "not executed, no answer"
        elif drawn < 0.92:
            answer, text = ev.NotSent("no network"), "did not reach Discord"
        else:
            refusal = Refusal(RefusalClass.TRANSIENT, None, "no")
            answer, text = ev.Refused(refusal, executed=False), "refused by Discord"
        self.client.put(ev.ForJob(job.id, answer, nonce))
        self.tell(f"POST of {job.id}: {text}")

    def _execute(self, job: Job) -> None:
        made = self._executed(job)
        for _ in range(self.rng.choice([0, 0, 1, 2])):
            self._advance(made)

    def _executed(self, job: Job) -> BotJob:
        made = self.world.execute(job.prompt.text, job.nonce or "", own=True)
        live = self.world.session
        if live is not None and live.id == job.session_id and self._fails():
            made.steps.popleft()
            self.world.fail(made)
            self.tell(f"interaction failed: {made}")
        elif live is not None and live.id == job.session_id:
            self._advance(made)  # Discord itself says at once that the interaction is there
        else:
            made.steps.popleft()
        self.promises.check_money(job)
        return made

    def _lose_and_retry(self) -> None:
        """An answer is lost with its session, the bot is slow, and a person has the job sent again."""
        effect = self.client.take(ef.Submit)
        if effect is None:
            return
        job = effect.job
        self.world.session = None
        made = self._executed(job)
        made.begins_at = self.world.now + self.rng.uniform(5.0, 100.0)
        if self.client.connected:
            self.client.disconnect()
        self.client.put(ev.ForJob(job.id, ev.OutcomeUnknown("no answer"), job.nonce))
        self.tell(f"POST of {job.id}: executed, no answer")
        self.client.identify()
        self.tell("new session")
        self._answer_history()
        present = self.client.engine.job(job.id) or job
        if self.client.channel.waits_for_person(present):
            self._retry(present)
            self._drop(job.prompt.text)

    def _refuse_by_hand(self) -> None:
        """The bot refuses what a person typed, and names nothing but the prompt."""
        title = self.rng.choice(["Queue full", "Banned prompt", "Slow Down!"])
        prompt = self.rng.choice(self.prompts)
        self.world.say("MESSAGE_CREATE", refused(self.world.new_id(), title, prompt))
        self.tell(f"refused by hand: {title}, {prompt}")

    def _miss_a_start(self) -> None:
        """The history is read while the connection is cut: it shows a start that is heard only later."""
        doubtful = [job for job in self.client.jobs() if job.state is State.IN_DOUBT]
        if not doubtful or not self.client.connected:
            return
        self.client.disconnect()
        self.tell("cut")
        prompt = self.rng.choice(doubtful).prompt.text
        made = self.world.execute(prompt, self.world.new_id(), own=False)
        self.tell(f"by hand: {made}")
        self._advance(made)
        self._answer_history()
        self.client.resume() if self.client.can_resume() else self.client.identify()
        self.tell("connected")

    # ---- the bot, the gateway, the history

    def _advance_bot(self) -> None:
        pending = self.world.pending()
        if pending:
            self._advance(self.rng.choice(pending))

    def _advance(self, job: BotJob) -> bool:
        said = self.world.advance(job)
        if said is not None:
            self.tell(f"bot {said}: {job}")
        return said is not None

    def _cut(self) -> None:
        if self.client.connected:
            self.client.disconnect()
            self.tell("cut")

    def _connect(self) -> None:
        if self.client.connected:
            return
        if self.client.can_resume() and self.rng.random() < 0.6:
            self.client.resume()
            self.tell("resumed")
        elif self.rng.random() < 0.4:
            self.world.session = None  # the session dies: what is said from now on nobody hears
            self.tell("session lost")
        else:
            self.client.identify()
            self.tell("new session" + (" with the old id" if self.world.year.reuses_session_ids else ""))

    def _outage(self) -> None:
        """The session dies, the bot goes on with what it has and gets, and a new session begins."""
        if self.client.connected:
            self.client.disconnect()
        self.world.session = None
        self.tell("outage")
        if self.rng.random() < 0.5:
            self._by_hand()
        for _ in range(self.rng.randint(1, 8)):
            self._advance_bot()
            self.world.now += 0.3
        self.client.identify()
        self.tell("new session")

    def _deafen(self) -> None:
        """The gateway stops sending the channel's messages (nobody is subscribed to the guild), or starts."""
        self.world.deaf = not self.world.deaf
        self.tell("channel silent" if self.world.deaf else "channel heard")
        if not self.world.deaf and self.world.messages:
            last = {"id": CHANNEL, "last_message_id": max(self.world.messages, key=int)}
            self.world.say("PASSIVE_UPDATE_V1", {"channels": [last]})

    def _restart(self) -> None:
        effect = self.client.take(ef.Submit)
        if effect is not None and self.rng.random() < 0.5:
            self._execute(effect.job)
        self.client.start()
        self.tell("killed and started" + ("" if effect is None else " while a POST was under way"))

    def _probe(self) -> None:
        if self.client.connected and self.client.take(ef.Probe) is not None:
            session = self.world.session
            assert session is not None
            self.client.put(ev.GatewayAlive(session.id))
            self.tell("probe answered")

    def _hide_history(self) -> None:
        self.hidden = not self.hidden
        self.promises.was_hidden = True
        self.tell("history hidden" if self.hidden else "history readable")

    def _answer_history(self) -> None:
        effect = self.client.take(ef.ReadHistory)
        if effect is None:
            page = self.client.take(ef.ReadPage)
            if page is not None:
                self._read_page(page)
            return
        if self.rng.random() < 0.15:
            self.client.put(ev.HistoryReadFailed("no network"))
            self.tell("history: not read")
            return
        self._read_history(effect)

    def _read_page(self, effect: ef.ReadPage) -> None:
        messages = [] if self.hidden else self.world.history(effect.after)
        self.client.put(ev.PageRead(effect.purpose, effect.after, tuple(messages), complete=True))
        self.tell(f"page: {len(messages)} messages after {effect.after}")

    def _read_history(self, effect: ef.ReadHistory) -> None:
        messages = [] if self.hidden else self.world.history(effect.after)
        reread = {id_: None if self.hidden else self.world.messages.get(id_) for id_ in effect.reread}
        for data in [*messages, *filter(None, reread.values())]:
            self.world.note_given(data)
        newest = messages[-1]["id"] if messages else None
        if effect.after is None:  # the channel names its last message, also where none can be read
            newest = max(self.world.messages, key=int, default="0")
        self.client.history(ev.HistoryRead(tuple(messages), newest, reread))
        self.tell(f"history: {len(messages)} messages after {effect.after}, reread {len(reread)}")

    # ---- the disk and the time

    def _publish(self) -> None:
        effect = self.client.take((ef.FetchResult, ef.PublishFailure))  # type: ignore[arg-type]
        if effect is None:
            return
        failed = isinstance(effect, ef.PublishFailure)
        if self.rng.random() < 0.1:
            self.client.put(ev.ForJob(effect.job.id, ev.SaveFailed("disk full")))
            self.tell(f"not saved: {effect.job.id}")
            return
        self.client.put(ev.ForJob(effect.job.id, ev.Published("folder", failed=failed)))
        self.tell(f"published: {effect.job.id}" + (" as failed" if failed else ""))

    def _wait_a_little(self) -> None:
        self.world.now += self.rng.uniform(1.0, 70.0)
        self.client.turn()

    def _wait_for_limit(self) -> None:
        limits = [job.next_action_at for job in self.client.jobs() if job.next_action_at is not None]
        if limits and self.rng.random() < 0.5:
            self.world.now = max(self.world.now, min(limits)) + 61.0
            self.client.turn()
            self.tell("wait: until a time limit")

    # ---- the end

    def _end(self) -> None:
        """Let everything come to its end: the network works, the bot ends its jobs, many hours pass."""
        self.hidden = False
        self.story.append("--- the end: all works again")
        if self.world.deaf:
            self._deafen()
        for turn in range(STEPS_OF_THE_END):
            if not self.client.connected:
                self.client.resume() if self.client.can_resume() else self.client.identify()
            self._answer_all()
            while pending := self.world.pending():
                moved = [self._advance(job) for job in pending]
                self._answer_all()
                if not any(moved):
                    break
            if turn > 2 and self._is_settled():
                return
            self.world.now += STEP_OF_THE_END
            self.client.turn()

    def _answer_all(self) -> None:
        while self.client.effects:
            effect = self.client.effects[0]
            match effect:
                case ef.Submit():
                    self.client.effects.pop(0)
                    self._execute(effect.job)
                    self.client.put(ev.ForJob(effect.job.id, ev.Accepted(), effect.job.nonce))
                    self.tell(f"POST of {effect.job.id}: executed, 204")
                case ef.ReadHistory():
                    self.client.effects.pop(0)
                    self._read_history(effect)
                case ef.ReadPage():
                    self.client.effects.pop(0)
                    self._read_page(effect)
                case ef.FetchResult() | ef.PublishFailure():
                    self.client.effects.pop(0)
                    failed = isinstance(effect, ef.PublishFailure)
                    self.client.put(ev.ForJob(effect.job.id, ev.Published("folder", failed=failed)))
                    self.tell(f"published: {effect.job.id}" + (" as failed" if failed else ""))
                case ef.Probe():
                    self._probe()
                case _:
                    self.client.effects.pop(0)

    def _is_settled(self) -> bool:
        open_jobs = [job for job in self.client.jobs() if job.open]
        waits = self.client.channel.waits_for_person
        return not self.world.pending() and all(waits(job) for job in open_jobs)
