"""What one measurement says, and the bound it is held to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """`within`: None where there is no bound. `note`: how it was seen, or why it was not."""

    what: str
    value: str
    bound: str
    within: bool | None
    note: str = ""

    @classmethod
    def at_most(cls, what: str, value: float, bound: float, unit: str, note: str = "") -> "Finding":
        return cls(what, f"{value:.2f} {unit}", f"{bound:g} {unit}", value <= bound, note)

    @classmethod
    def seen(cls, what: str, value: str, note: str = "") -> "Finding":
        return cls(what, value, "", within=None, note=note)

    @classmethod
    def failed(cls, what: str, reason: str) -> "Finding":
        return cls(what, "not measured", "", within=False, note=reason)

    def __str__(self) -> str:
        verdict = {True: "ok", False: "MISSED", None: ""}[self.within]
        return f"{self.what:58} {self.value:>14}  {self.bound:>9}  {verdict:6}  {self.note}"
