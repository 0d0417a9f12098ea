import pytest

from swarm.engines.messages import LENGTH, Refused, Submit, decode_body, encode_frame
from swarm.errors import ContextOverflow, InvalidRequest, Overloaded, SwarmError
from swarm.types import Prompt, SamplingParams


def through_the_pipe(message):
    frame = encode_frame(message)
    (length,) = LENGTH.unpack(frame[: LENGTH.size])
    assert len(frame) == LENGTH.size + length
    return decode_body(frame[LENGTH.size :])


def test_a_prompt_comes_out_as_it_went_in():
    submit = Submit(7, Prompt("hé", SamplingParams(temperature=0.2, stop=("\n",)), n=3))
    assert through_the_pipe(submit) == submit


@pytest.mark.parametrize(
    "error",
    [
        ContextOverflow(9, 4),
        InvalidRequest("no", param="n"),
        Overloaded("full", retry_after_s=3),
        SwarmError("else"),
    ],
)
def test_errors_keep_their_words_and_figures(error):
    refused = through_the_pipe(Refused(1, error))
    assert type(refused.error) is type(error)
    assert str(refused.error) == str(error)
    assert vars(refused.error) == vars(error)
