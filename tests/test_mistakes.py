"""Mistakes are told with their places, and never with what stood there."""

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mistakes import first_mistake, mistakes


class Inner(BaseModel):
    key: str = Field(pattern="^[0-9]+$", repr=False)


class Body(BaseModel):
    model_config = ConfigDict(strict=True)

    inner: list[Inner]
    count: int


def refused(raw: str) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Body.model_validate_json(raw)
    return caught.value


def test_each_mistake_has_its_place_and_its_reason() -> None:
    told = mistakes(refused('{"inner": [{"key": "1"}, {"key": "hush"}], "count": "hush"}'), "all")
    assert told == [
        "inner.1.key: String should match pattern '^[0-9]+$'",
        "count: Input should be a valid integer",
    ]


@pytest.mark.parametrize(
    ("raw", "whole", "begins"),
    [
        ("[]", "the body", "the body: Input should be an object"),
        ("[]", "", "Input should be an object"),
        ("{", "the body", "the body: Invalid JSON"),
    ],
)
def test_what_is_wrong_as_a_whole_is_called_so(raw: str, whole: str, begins: str) -> None:
    assert first_mistake(refused(raw), whole).startswith(begins)


def test_what_stood_there_is_kept_out_of_it() -> None:
    secrets: list[Any] = ['{"inner": "hush", "count": 1}', '{"inner": [], "count": ["hush"]}']
    assert not [raw for raw in secrets if "hush" in first_mistake(refused(raw), "the body")]
