"""Run a call in a separate process: CPU seconds, a cap on them, and peak memory beyond what was there before."""

from __future__ import annotations

import multiprocessing as mp
import resource
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# A process that gets less than this share of a core is stopped by the clock instead of by its CPU seconds.
_SLOWEST = 0.2


def status_bytes(field: str) -> int:
    """A memory field of ``/proc/self/status`` (VmHWM, VmRSS, RssAnon, RssFile); zero where there is no such file."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":")), 0)


class Measure:
    """CPU and wall seconds, peak resident and peak private (anonymous) bytes above the start of the block.

    Resident memory counts pages of mapped files, private memory does not; the first is read from the kernel's own
    high-water mark, the second sampled every 5 ms where ``private`` asks for it (the sampler's CPU seconds count).
    """

    def __init__(self, private: bool = False) -> None:
        self.private = private

    def __enter__(self) -> Measure:
        try:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets VmHWM
        except OSError:
            self.exact = False
        else:
            self.exact = True
        self._resident, self._private = status_bytes("VmRSS"), status_bytes("RssAnon")
        self._top, self._done = self._private, threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        if self.private:
            self._thread.start()
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds, self.cpu_seconds = time.perf_counter() - self._wall, time.process_time() - self._cpu
        self._done.set()
        if self.private:
            self._thread.join()
        high = status_bytes("VmHWM") if self.exact else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self.resident_bytes = max(0, high - self._resident)
        self.private_bytes = max(0, self._top - self._private)

    def _sample(self) -> None:
        while not self._done.wait(0.005):
            self._top = max(self._top, status_bytes("RssAnon"))

    def record(self) -> dict[str, float]:
        """The numbers by name."""
        found = {
            "seconds": self.seconds, "cpu_seconds": self.cpu_seconds, "extra_resident_bytes": self.resident_bytes,
        }  # fmt: skip
        return found | ({"extra_private_bytes": self.private_bytes} if self.private else {})


def run(call: Callable[..., dict[str, Any]], *arguments: Any, cap: float, fork: bool = False) -> dict[str, Any]:
    """``call(*arguments)`` in a new process, or what stopped it.

    Parameters
    ----------
    cap
        CPU seconds; the clock may show ``cap / 0.2`` at most.
    fork
        Start from a copy of this process, which shares its arrays; otherwise from nothing.
    """
    context = mp.get_context("fork" if fork else "spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(sender, cap, call, arguments))
    before = _children_cpu()
    process.start()
    sender.close()
    answer: dict[str, Any] | None = None
    slow = not receiver.poll(cap / _SLOWEST + 20.0)
    if slow:
        process.kill()
    else:
        try:
            answer = receiver.recv()
        except EOFError:
            answer = None
    process.join()
    if answer is not None:
        return answer
    if slow or process.exitcode == -signal.SIGXCPU:
        used = _children_cpu() - before
        return {"outcome": f"did not finish in {used:.0f} s", "cap_seconds": used}
    return {"outcome": f"died with exit code {process.exitcode} (out of memory?)"}


def _children_cpu() -> float:
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def _child(sender: Any, cap: float, call: Callable[..., dict[str, Any]], arguments: tuple[Any, ...]) -> None:
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + cap) + 1, resource.RLIM_INFINITY))
    try:
        sender.send(call(*arguments))
    except Exception as error:  # a rival's failure is a result
        sender.send({"outcome": f"{type(error).__name__}: {str(error)[:120]}"})
