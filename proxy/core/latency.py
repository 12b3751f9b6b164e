"""How long a backend takes to answer: what is remembered of the times to the first byte.

Two figures, both of Finagle's time-decayed kind, for what was measured half a
minute ago should count equally little whether there were ten requests since or
ten thousand. A sample that comes `t` after the last one leaves `exp(-t / TAU)` of
what was known before. `mean` goes both ways; `peak()` jumps up to any worse
sample at once and comes down slowly.
"""

from math import exp

TAU = 10 * 10**9  # nanoseconds
FORGET = 6 * TAU  # a mean that is older (exp(-6): a quarter of a percent) says nothing any more
_NEVER = -(10**19)


class Latency:
    """Of one backend, in one worker. Times are microseconds, moments `Clock.now`."""

    __slots__ = ("_follows_peak", "_peak", "_peak_at", "at", "elsewhere", "mean")

    def __init__(self) -> None:
        self._follows_peak = False
        self.forget()

    def follow_peak(self) -> None:
        """From now on `peak()` is wanted, which most algorithms have no use for."""
        if not self._follows_peak:
            self._follows_peak = True
            self._peak, self._peak_at = self.mean, self.at

    def forget(self) -> None:
        """Whatever was measured says nothing of the backend as it is from now on."""
        self.mean = 0.0
        self.at = _NEVER  # when the last sample came
        self.elsewhere = 0.0  # the mean of the machine's other workers; 0: they have none
        self._peak = 0.0  # 0: no history
        self._peak_at = _NEVER

    def observe(self, microseconds: float, now: int) -> None:
        """A response has begun, or was waited for in vain, after so long."""
        keep = exp((self.at - now) / TAU)
        self.mean = microseconds + (self.mean - microseconds) * keep
        if self._follows_peak:
            self._observe_peak(microseconds, now, keep)
        self.at = now

    def _observe_peak(self, microseconds: float, now: int, keep: float) -> None:
        peak = self._peak
        if microseconds > peak:
            self._peak = microseconds
        else:
            if self._peak_at != self.at:  # it was read since
                keep = exp((self._peak_at - now) / TAU)
            self._peak = microseconds + (peak - microseconds) * keep
        self._peak_at = now

    def observe_at_least(self, microseconds: float, now: int) -> None:
        """A wait that was cut short, or ended in an error: it counts if it was longer than usual.

        A backend that fails fast must not pass for a fast one and draw the traffic.
        """
        if 0 < self.mean < microseconds:
            self.observe(microseconds, now)

    def own_mean(self, now: int) -> float:
        """What this worker has measured itself of late; 0: nothing."""
        return self.mean if now - self.at <= FORGET else 0.0

    def known_mean(self, now: int) -> float:
        """The best that is known: this worker's own, or else the others'; 0: nothing is."""
        return self.own_mean(now) or self.elsewhere

    def peak(self, now: int) -> float:
        """The peak-sensitive mean, as of `now`: reading is a sample of 0, as in Finagle.

        Followed from `follow_peak()` on, and from the mean that there was then.
        """
        peak = self._peak * exp((self._peak_at - now) / TAU)
        self._peak = peak
        self._peak_at = now
        return peak or self.elsewhere
