"""Conditions of which nothing is concluded, since one of their searches is unfinished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from wiring.dynamics.readings import PUBLISHED


def why_unfinished(rows: Sequence[Mapping[Any, Any]]) -> str:
    """Why nothing is concluded of searches in one reading; empty if each of them is finished.

    Those that finish first are no fair sample of all, so one is enough.

    Args:
        rows: of a condition, with `seed` and `unfinished`.
    """
    unfinished = [row for row in rows if row["unfinished"]]
    if not unfinished:
        return ""
    return (
        f"{len(unfinished)} of {len(rows)} searches are unfinished: "
        f"seed {unfinished[0]['seed']}: {unfinished[0]['unfinished']}"
    )


def unfinished(readings: pd.DataFrame) -> dict[str, str]:
    """Conditions that are unfinished at the published displacement of alpha -> why.

    Args:
        readings: the readings table.
    """
    rows = readings[readings["reading"] == PUBLISHED].sort_values(["condition", "seed"])
    found = {
        str(condition): why_unfinished(group.to_dict("records"))
        for condition, group in rows.groupby("condition")
    }
    return {condition: why for condition, why in found.items() if why}
