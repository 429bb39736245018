"""mjwatch on a thread of this process, for as long as somebody types prompts and no daemon runs."""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING

from mjwatch.config import load_keys
from mjwatch.errors import DaemonError
from mjwatch.events import StopAsked
from mjwatch.host.running import daemon_runs
from mjwatch.runtime import Runtime

if TYPE_CHECKING:
    from mjwatch.config import Config
    from mjwatch.engine import Engine
    from mjwatch.settings.secrets import Keys

log = logging.getLogger("mjwatch")


class Background:
    """Does what a daemon would, under its lock, but takes no prompt files. Use ``with``.

    Whoever asks for something does so as with a daemon: by a request in the journal.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._thread: threading.Thread | None = None
        self._engine: Engine | None = None
        self._failure: Exception | None = None

    def __enter__(self) -> Background:
        self.ensure()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def works(self) -> bool:
        """Whether it is this process that does the work."""
        return self._thread is not None and self._thread.is_alive()

    def ensure(self) -> None:
        """See that somebody works: a daemon, or a thread here.

        Raises ConfigError, JournalError, DaemonError where that can't be, and once what ended the thread.
        """
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        if not self.works and not daemon_runs(self._config.state.path):
            self._start()

    def stop(self) -> None:
        """End it cleanly: what was sent is fetched by the next start, what was not is kept in the queue."""
        if self._thread is None:
            return
        if self._engine is not None:
            self._engine.put(StopAsked())
        self._thread.join()
        self._thread = self._engine = None

    def _start(self) -> None:
        begun: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        # No daemon thread: an exit waits for the clean stop, also where a second Ctrl-C cuts the first short.
        self._thread = threading.Thread(target=self._run, args=(load_keys(self._config), begun), name="loop")
        self._thread.start()
        error = begun.get()
        if error is None:
            return
        self._thread.join()
        self._thread = self._failure = None
        if not (isinstance(error, DaemonError) and daemon_runs(self._config.state.path)):
            raise error  # else another process was faster to take the lock, and works

    def _run(self, keys: Keys, begun: queue.SimpleQueue[Exception | None]) -> None:
        try:
            with Runtime(self._config, keys, watch_inbox=False) as runtime:
                self._engine = runtime.engine
                begun.put(None)
                runtime.run()
                runtime.comes_back = not runtime.engine.settled()
        except Exception as error:  # a thread's top
            log.info("the work in the background has ended: %s", error)
            self._failure = error
            begun.put(error)
