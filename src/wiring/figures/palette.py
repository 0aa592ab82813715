"""Each operation's colour, dash and short name, for whatever draws: it imports nothing."""

from __future__ import annotations

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
