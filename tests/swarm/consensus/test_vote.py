"""What must hold for every vote: checked on generated ballots."""

from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from swarm.consensus.canonical import form_of
from swarm.consensus.score import Score
from swarm.consensus.tally import Vote, Voter, count
from tests.swarm.consensus.votes import ANSWERS, READINGS, ballots, vote


def settled(votes: list[Vote], outstanding: Fraction) -> bool:
    return Score.of(votes).settled(outstanding)


def winning_form(votes: list[Vote], seed: str = "s"):
    return count(votes, seed=seed).standings[0].best.form


@given(ballots(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_is_no_matter(votes, random):
    mixed = list(votes)
    random.shuffle(mixed)
    assert count(mixed, seed="s") == count(votes, seed="s")


@given(ballots())
def test_the_winner_is_one_of_the_candidates(votes):
    assert count(votes, seed="s").winner in [v.candidate for v in votes]


@given(ballots())
def test_what_is_cut_or_broken_is_no_matter_beside_what_is_whole(votes):
    whole = [v for v in votes if not v.form.weak]
    assume(whole)
    assert count(votes, seed="s") == count(whole, seed="s")


SLOTS = (
    "{}",
    "Answer: {}",
    "it costs $.{}1",
    "3.{}.0",
    "1.0.{}",
    "9007199254740993000000000000000000{}",
    '{{"a": {}',
    '{{"a": [{}]}}',
    "```js\nfetch('https://a.org/{}')\n```",
    "```js\nconst s = `\n // {}`\n```",
    "```c\n#define N {}\nint x;\n```",
    "```\n#define N {}\n```",
    "```\nx = (\n{}\n```",
    "```sh\ncurl https://a.org | sh -s {}\n```",
    "```yaml\nurl: https://a.org/#{}\n```",
    "```python\nif a:\n    b\n  c\nd = {}\n```",
    "I can't help but notice that {} is prime",
    "I cannot provide legal advice, but the answer is {}",
)


@given(
    st.sampled_from(SLOTS),
    st.sampled_from(READINGS),
    st.lists(st.integers(1, 99), min_size=2, max_size=2, unique=True),
    st.sampled_from(["stop", "length"]),
)
def test_texts_that_differ_in_one_figure_are_never_equal(slot, reading, figures, finish):
    one, other = (vote(Voter("v"), reading, text=slot.format(n), finish=finish) for n in figures)
    assert one.form != other.form


@given(
    st.sampled_from(["yaml", "", "sh", "python"]),
    st.lists(st.integers(0, 2), min_size=3, max_size=6),
    st.lists(st.integers(0, 2), min_size=3, max_size=6),
)
def test_lines_that_are_indented_otherwise_are_never_equal(language, one, other):
    def form(depths: list[int]):
        lines = [f"{'  ' * depth}k{at}:" for at, depth in enumerate(depths)]
        return vote(Voter("v"), text="\n".join([f"```{language}", "top: [", *lines, "```"])).form

    assert (form(one) == form(other)) == (one == other)


@given(ballots())
def test_every_class_stands_in_the_tally_once(votes):
    standings = count(votes, seed="s").standings
    forms = [standing.best.form for standing in standings]
    assert len(forms) == len(set(forms))


@given(ballots(), st.integers(1, 12))
def test_as_many_as_are_asked_for_are_given_the_distinct_ones_first(votes, n):
    given = count(votes, seed="s").best(n)
    standings = count(votes, seed="s").standings
    assert len(given) == n
    distinct = {vote.form for vote in given}
    assert len(distinct) == min(n, len(standings))
    assert [vote.form for vote in given[: len(distinct)]] == [
        standing.best.form for standing in standings[: len(distinct)]
    ]


@given(ballots())
def test_the_most_trusted_is_a_heaviest_vote_in_any_order(votes):
    led = count(votes, seed="s").most_trusted()
    heaviest = max(v.weight for standing in led.standings for v in standing.votes)
    assert led.standings[0].best.weight == heaviest
    assert led == count(votes[::-1], seed="s").most_trusted()


@given(ballots(), st.integers(1, 12))
def test_another_vote_for_the_winner_keeps_it(votes, weight):
    won = count(votes, seed="s").standings[0].best
    more = Vote(won.candidate, won.form, Voter("new", "n", "m", Fraction(weight, 4)))
    assert winning_form([*votes, more]) == won.form


def settling(votes, most):
    """After how many votes, of the first so many, the rest can change nothing."""
    rest = [sum((v.weight for v in votes[at:]), Fraction(0)) for at in range(most + 1)]
    return [at for at in range(1, most + 1) if settled(votes[:at], rest[at])]


@given(ballots(least=2), st.data())
def test_what_is_settled_early_is_what_waiting_for_all_gives(votes, data):
    places = settling(votes, len(votes) - 1)
    assume(places)
    heard = data.draw(st.sampled_from(places))
    early, late = votes[:heard], votes[heard:]
    abstaining = data.draw(st.sets(st.sampled_from(range(len(late)))))
    came = [v for at, v in enumerate(late) if at not in abstaining]
    assert winning_form([*early, *came]) == winning_form(early)


@given(ballots(least=3), st.sampled_from(READINGS), st.data())
def test_no_answer_of_the_outstanding_changes_what_is_settled(votes, reading, data):
    places = settling(votes, len(votes))
    assume(places)
    heard = data.draw(st.sampled_from(places))
    early, late = votes[:heard], votes[heard:]
    for answer in ANSWERS:
        against = [vote(v.voter, reading, **answer) for v in late]
        assert winning_form([*early, *against]) == winning_form(early)


def test_equal_answers_settle_a_vote_of_five_after_three():
    three = [vote(Voter(f"v{at}"), text="Answer: 12") for at in range(3)]
    assert settled(three, Fraction(2))
    assert not settled(three[:2], Fraction(3))


def test_calls_do_not_lose_to_fewer_equal_texts():
    texts = [vote(Voter(f"t{at}"), text="Answer: 12") for at in range(3)]
    calls = [vote(Voter(f"c{at}"), **ANSWERS[at]) for at in (12, 14, 15, 16)]
    assert not settled([*texts, *calls[:3]], Fraction(1))
    assert winning_form([*texts, *calls]).kind == "tools"


def test_forms_of_the_same_answer_are_equal():
    def form(at: int):
        return form_of(vote(Voter("v"), **ANSWERS[at]).candidate)

    assert form(0) == form(1)
    assert form(7) == form(8)
    assert form(12) == form(13)
    assert form(9).weak
    assert form(11).weak
