"""What every model of a config shares."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""A name that becomes part of a file name: no separator, no leading dot."""
Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""Of any generator of chance: every library takes 32 bits."""
Level = Literal["single", "bi"]


class Model(BaseModel):
    """Base of every model: unknown keys are faults, values do not change, no silent casts."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class FileModel(Model):
    """A model that holds a path: YAML and JSON have no path type, so a string is taken."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)
