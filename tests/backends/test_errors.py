"""The one error of wrong input: one line, whatever was given."""

import pickle

from earspan.backends.errors import InputError
from hypothesis import given
from hypothesis import strategies as st


@given(st.text())
def test_a_message_is_one_printable_line_and_survives_another_process(given_by_somebody: str):
    error = InputError(f"{given_by_somebody}: no such file")
    assert str(error).isprintable()
    assert str(error).endswith(": no such file")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_what_can_be_shown_stays_as_it_was_given():
    assert str(InputError("größe\n'x'\x1b[2J\u202e")) == "größe\\n'x'\\x1b[2J\\u202e"
