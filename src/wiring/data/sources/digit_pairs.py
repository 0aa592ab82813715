"""Two or three digits an image, whose sum is the label: a task that is hard by composition."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from wiring.config.model import Model, Seed
from wiring.data.sources.digits import digits
from wiring.data.sources.names import DIGITS
from wiring.data.sources.source import Content, Facts, Samples, Source

TEST_SHARE = 0.2
"""Share of UCI's digits that only test images are made of."""
Size = Annotated[int, Field(ge=100, le=100_000)]


class DigitPairsSettings(Model):
    """How the images are put together.

    Attributes:
        digits: how many an image holds.
        layout: `side`: beside one another, an image of 8 x 16 or 8 x 24; `channels`: behind one
            another, one digit a channel.
        train: images of the training set.
        test: images of the test set; they are made of other digits than those of the training set.
        seed: of which digits meet.
    """

    digits: Literal[2, 3] = 2
    layout: Literal["side", "channels"] = "side"
    train: Size = 4000
    test: Size = 1000
    seed: Seed = 0


class DigitPairs(Source):
    """UCI's digits, several an image; the label is their sum modulo 10."""

    tested: ClassVar[bool | None] = True
    model: ClassVar[type[Model]] = DigitPairsSettings
    settings: DigitPairsSettings

    def facts(self) -> Facts:
        """Follows from the settings."""
        count = self.settings.digits
        shape = (1, 8, 8 * count) if self.settings.layout == "side" else (count, 8, 8)
        return Facts(self.settings.train, 10, self.settings.test, shape)

    def read(self, cache: Path) -> Content:  # noqa: ARG002
        """Draw the digits of each image, each digit as often as chance has it."""
        import numpy as np

        images, labels = digits()
        generator = np.random.default_rng(self.settings.seed)
        order = generator.permutation(len(labels))
        held_out = round(TEST_SHARE * len(labels))

        def draw(pool: Any, size: int) -> Samples:
            chosen = generator.choice(pool, (size, self.settings.digits))
            parts = images[chosen]  # (size, digits, 8, 8)
            if self.settings.layout == "side":
                parts = np.concatenate(list(parts.swapaxes(0, 1)), axis=2)[:, None]
            return Samples(np.ascontiguousarray(parts), labels[chosen].sum(1) % 10)

        train = draw(order[held_out:], self.settings.train)
        test = draw(order[:held_out], self.settings.test)
        return Content(train, test, DIGITS, {"scikit_learn": version("scikit-learn")})
