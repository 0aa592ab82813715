"""Each operation's colour, dash and short name, for whatever draws: without matplotlib."""

from __future__ import annotations

from collections.abc import Sequence

# Okabe and Ito's colours, which all common forms of colour vision tell apart; their yellow is too
# faint on white, Tol's wine stands in. A larger kernel is dashed as well.
OP_COLOUR = {
    "none": "#000000",
    "skip_connect": "#E69F00",
    "max_pool_3x3": "#56B4E9",
    "avg_pool_3x3": "#0072B2",
    "sep_conv_3x3": "#D55E00",
    "dil_conv_3x3": "#009E73",
    "dil_conv_5x5": "#882255",
    "sep_conv_5x5": "#CC79A7",
}
CONTRAST = 4.5
"""The least contrast of a text with white: WCAG 2, level AA."""
OP_DASH = {"dil_conv_5x5": (0, (4, 1.2)), "sep_conv_5x5": (0, (4, 1.2))}
OP_NAME = {
    "none": "none",
    "skip_connect": "skip",
    "max_pool_3x3": "max pool 3",
    "avg_pool_3x3": "avg pool 3",
    "sep_conv_3x3": "sep conv 3",
    "dil_conv_3x3": "dil conv 3",
    "dil_conv_5x5": "dil conv 5",
    "sep_conv_5x5": "sep conv 5",
}


def ink(colour: str) -> str:
    """A colour as text on white has it: as dark as :data:`CONTRAST` asks for, of the same hue.

    Args:
        colour: `#rrggbb`.
    """
    channels = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    shades = ([channel * share // 100 for channel in channels] for share in range(100, -1, -1))
    dark = next(shade for shade in shades if contrast([c / 255 for c in shade]) >= CONTRAST)
    return "#" + "".join(f"{channel:02X}" for channel in dark)


def contrast(channels: Sequence[float]) -> float:
    """The contrast of a colour with white (WCAG 2.2, relative luminance).

    Args:
        channels: red, green and blue, from 0 to 1.
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    light = sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return 1.05 / (light + 0.05)
