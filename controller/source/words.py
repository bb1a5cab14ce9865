"""The word that was probably meant."""

from __future__ import annotations


def nearest(word: str, known: list[str] | tuple[str, ...], count: int = 3) -> list[str]:
    """The known words most like ``word``, best first; may be empty."""
    from difflib import get_close_matches

    low = word.lower()
    folded = {one.lower(): one for one in known}
    found = get_close_matches(low, list(folded), count, 0.6)
    if len(low) > 2:  # "ram" for ram_total
        found += [one for one in folded if (low in one or (len(one) > 2 and one in low)) and one not in found]
    return [folded[one] for one in found[:count]]
