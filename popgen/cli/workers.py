"""Processes that do a command's work, and how a command that has them is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from popgen.cli.terminal import INTERRUPTED, complain, say


@contextmanager
def workers(number: int) -> Iterator[Executor | None]:
    """Start processes for the block; None for one, whose work is done here.

    They leave Ctrl-C to the command, and do not outlive it, however it ends.
    """
    if number == 1:
        yield None
        return
    import sys
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # whoever ends at once leaves semaphores, which Python frees; it need not tell the user
    sys.warnoptions.append("ignore::UserWarning:multiprocessing.resource_tracker")
    spawn = get_context("spawn")  # polars has threads, which a fork does not survive
    with ProcessPoolExecutor(number, spawn, initializer=_begin) as pool:
        yield pool


@contextmanager
def ending_at_once(why: str) -> Iterator[None]:
    """Let Ctrl-C end this process in the middle of whatever it does, as kill would.

    An interrupt inside an executor can leave it waiting for ever; what the block writes must
    therefore be whole at every moment.
    """
    import os
    import signal
    import sys

    def end(*_: object) -> None:
        if sys.stderr.isatty():
            sys.stderr.write("\x1b[?25h")  # the cursor, which the progress bar hides
        say(why)
        complain("interrupted")
        sys.stderr.flush()
        os._exit(INTERRUPTED)

    before = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _begin() -> None:
    import signal
    from threading import Thread

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent does: it would wait for work for ever."""
    import os
    from multiprocessing import parent_process

    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
