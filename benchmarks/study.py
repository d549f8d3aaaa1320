"""`earspan study`: all strategies, windows and three backends, with the figures of the README."""

import argparse
from pathlib import Path

from . import strategies

HELP = "the whole comparison of strategies, with its figures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `earspan strategies`, set for the study: a slow, a middling and a fast backend."""
    strategies.add_arguments(parser)
    parser.set_defaults(
        backends=["t4", "l4", "h100"],
        live_audio=32.0,  # of each recording: with every strategy, a quarter of an hour on two cores
        out=Path("runs/study"),
    )


run = strategies.run
