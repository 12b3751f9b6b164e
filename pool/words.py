"""Numbers and times as people say them. No Django in here."""

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def counted(number: int, one: str, many: str = "") -> str:
    """As in "1 backend" and "2 backends"; `many` where that is not `one` with an s."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def length(seconds: float) -> str:
    """Whole seconds in their largest unit and the one below it: "2 d 3 h", "4 min 5 s"."""
    left = round(seconds)
    largest = next((index for index, (width, _) in enumerate(_UNITS) if left >= width), -1)
    parts = []
    for width, unit in _UNITS[largest:][:2]:
        count, left = divmod(left, width)
        if count:
            parts.append(f"{count:,} {unit}")
    return " ".join(parts) or "0 s"
