from hypothesis import given
from hypothesis import strategies as st

from federation.backlog import Backlog


def test_a_name_waits_once_and_the_latest_word_counts() -> None:
    backlog = Backlog(8)
    backlog.put("a", gone=False)
    backlog.put("b", gone=False)
    backlog.put("a", gone=True)
    assert backlog.take(8) == [("a", True), ("b", False)]
    assert backlog.take(8) == []


def test_where_there_is_no_room_a_known_name_still_gets_its_word() -> None:
    backlog = Backlog(1)
    assert backlog.put("a", gone=False)
    assert not backlog.put("b", gone=False)
    assert backlog.put("a", gone=True)
    backlog.clear()
    assert backlog.put("b", gone=False)


@given(st.lists(st.text(max_size=2)), st.integers(1, 5), st.integers(1, 5))
def test_it_never_holds_more_than_its_size(names: list[str], size: int, most: int) -> None:
    backlog = Backlog(size)
    for name in names:
        backlog.put(name, gone=False)
        assert len(backlog) <= size
    taken = [name for name, _ in backlog.take(most)]
    assert taken == list(dict.fromkeys(names))[: min(size, most)]
