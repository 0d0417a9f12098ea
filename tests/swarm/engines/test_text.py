from hypothesis import given
from hypothesis import strategies as st

from swarm.engines.text import TextStream, first_stop, longest_stop_beginning


def show(pieces: list[bytes], stop: tuple[str, ...] = ()) -> tuple[str, bool]:
    stream = TextStream(stop)
    text = ""
    for piece in pieces:
        shown = stream.feed(piece)
        text += shown.text
        if shown.stopped:
            return text, True
    return text + stream.flush(), False


@given(st.text(), st.data())
def test_any_cut_of_the_bytes_gives_the_text_back_and_no_half_code_point(text, data):
    raw = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)))))
    stream = TextStream()
    parts = [stream.feed(raw[a:b]).text for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert "".join(parts) == text
    assert "\ufffd" not in "".join(parts) or "\ufffd" in text


def test_an_incomplete_code_point_is_never_shown():
    assert show(["né".encode()[:2]]) == ("n", False)


def test_invalid_bytes_become_the_replacement_character():
    assert show([b"a\xffb"]) == ("a\ufffdb", False)


@given(
    st.text("abc", max_size=30),
    st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=3),
    st.data(),
)
def test_a_stop_string_ends_the_text_wherever_the_tokens_are_cut(text, stops, data):
    raw = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)))))
    pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    shown, stopped = show(pieces, tuple(stops))
    assert stopped == any(stop in text for stop in stops)
    assert not any(stop in shown for stop in stops)
    assert text.startswith(shown)
    if not stopped:
        assert shown == text


def test_the_earliest_of_several_stop_strings_counts():
    assert first_stop("a;b\n", ("\n", ";")) == 1
    assert first_stop("ab", ("\n", ";")) is None


def test_the_longest_beginning_of_a_stop_string_is_held_back():
    assert longest_stop_beginning("x<|im", ("<|im_end|>", "<|")) == 4
    assert longest_stop_beginning("x", ("<|im_end|>",)) == 0


def test_an_empty_stop_string_stops_nothing():
    assert show([b"abc"], ("",)) == ("abc", False)
