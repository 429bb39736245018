"""Ask a running daemon for something, or run the engine in this process where no daemon runs.

``submit`` builds requests and decides between the two; ``in_process`` is the second,
and ``background`` has it on a thread.
"""
