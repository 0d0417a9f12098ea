"""What people meet in a federation without faults: the SDK, tools, models, commands, no secrets."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from federation.trust import encode_code, new_secret
from swarm.models.local import bundled_model
from swarm.proposer import most_bytes
from tests.e2e.hosts import Host, Network, network
from tests.e2e.house import (
    PEER_PORT,
    READY_S,
    SUM,
    answered,
    ask,
    body,
    diagnostics,
    house,
    peers,
    pin_of,
    ready,
    secrets_of,
    start_member,
    text_of,
    voters,
    wait_together,
)
from tests.e2e.test_answers import READ

pytestmark = pytest.mark.needs("namespaces")

ELSEWHERE = "other-nano"
EACH = {"here": 3, "host2": 3, "host3": 3}
ALL: Any = {"swarm": {"decide": "all"}}
QUESTION: list[Any] = [{"role": "user", "content": SUM}]


@pytest.fixture(scope="module")
def lan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Three machines; the third has a model that the others have not."""
    file = tmp_path_factory.mktemp("models") / f"{ELSEWHERE}.gguf"
    shutil.copy(bundled_model().path, file)
    with network(3, tmp_path_factory.mktemp("lan")) as lan:
        one, other, third = lan.hosts
        one.start_node()
        code = one.main("--show-code").stdout.split()[-1]
        start_member(other, code)
        start_member(third, code, "--model", str(file))
        wait_together(lan.hosts)
        yield lan


def asked_of(one: Host) -> dict[str, int]:
    """How many questions each peer was asked so far."""
    return {name: peer["metrics"]["requests"] for name, peer in peers(one).items()}


def test_a_question_is_answered_by_all_and_all_are_counted(lan: Network) -> None:
    for host in lan.hosts:
        answer = ask(host)
        assert text_of(answer) == "Answer: 11"
        others = {other.name: 3 for other in lan.hosts if other is not host}
        assert voters(answer) == {"here": 3, **others}
        assert answer["usage"]["swarm"]["asked"] == answer["usage"]["swarm"]["valid"] == 9
        verdict = diagnostics(host)["verdicts"][-1]
        assert verdict["winner"] == answer["usage"]["swarm"]["winner"]
        for other in others:
            assert host.node.metric(f'swarm_peer_bytes_out_total{{peer="{other}"}}') > len(SUM)
    said = [line for line in lan.hosts[0].node.said().splitlines() if " of 9, " in line]
    assert said


def test_a_question_as_long_as_an_endpoint_reads_goes_to_all(lan: Network) -> None:
    one = lan.hosts[0]
    request = {**body(SUM), "chat_template_kwargs": {"unused": ""}}
    room = most_bytes(0) - len(json.dumps(request).encode())
    request["chat_template_kwargs"]["unused"] = "x" * room
    # Each reads it before its first sign of life: a slow machine may need another try.
    assert any(voters(answered(one, request, EACH)) == EACH for _ in range(3))
    request["chat_template_kwargs"]["unused"] += "x"
    assert one.post("/v1/chat/completions", request)[0] == 413


def test_a_peer_whose_context_is_too_short_abstains_and_is_asked_again(tmp_path: Path) -> None:
    file = tmp_path / f"{ELSEWHERE}.gguf"
    shutil.copy(bundled_model().path, file)
    with network(2, tmp_path) as lan:
        one, other = lan.hosts
        code = encode_code(new_secret())
        start_member(one, code)
        start_member(other, code, "--ctx", "256", "--model", str(file))
        wait_together(lan.hosts)
        for _ in range(4):
            status, said = one.post("/v1/chat/completions", {**body("ab " * 300), "max_tokens": 4})
            assert status == 200, said
            workers = json.loads(said)["usage"]["swarm"]["workers"]
            failed = [worker for worker in workers if worker["state"] == "failed"]
            assert {worker["voter"] for worker in failed} == {f"host2/{at}" for at in range(3)}
            assert all("context size (256 tokens)" in worker["why"] for worker in failed)
        declined = peers(one)["host2"]
        assert (declined["metrics"]["busy"], declined["metrics"]["failures"]) == (4, 0)
        assert voters(ask(one)) == {"here": 3, "host2": 3}
        for model in (ELSEWHERE, f"{ELSEWHERE}-fast"):  # nobody else has it: the client compacts
            status, said = one.post("/v1/chat/completions", body("ab " * 300, model=model))
            error = json.loads(said)["error"]
            assert (status, error["code"]) == (400, "context_length_exceeded")
            assert error["n_ctx"] == 256 < error["n_prompt_tokens"]


def test_the_verdict_is_streamed_through_the_sdk(lan: Network) -> None:
    stream = (
        lan.hosts[1]
        .sdk()
        .chat.completions.create(
            model="swarm",
            messages=QUESTION,
            stream=True,
            stream_options={"include_usage": True},
            extra_body=ALL,
        )
    )
    chunks = list(stream)
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == "Answer: 11"
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.model_extra is not None
    assert len(usage.model_extra["swarm"]["workers"]) == 9


def test_a_tool_call_is_voted_on_by_all_nodes(lan: Network) -> None:
    said = (
        lan.hosts[0]
        .sdk()
        .chat.completions.create(
            model="swarm",
            messages=[{"role": "user", "content": "Read the file notes.txt"}],
            tools=[READ],
            extra_body=ALL,
        )
    )
    (choice,) = said.choices
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls or ()
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"filePath": "notes.txt"}
    answer = said.to_dict()
    assert sum(voters(answer, "valid", "abstained").values()) == 9
    assert len(voters(answer)) == 3


def test_a_model_that_only_a_peer_holds_is_answered_there(lan: Network) -> None:
    one = lan.hosts[0]
    answer = ask(one, model=ELSEWHERE)
    assert text_of(answer) == "Answer: 11"
    assert voters(answer) == {"host3": 3}
    assert voters(ask(one, model=f"{ELSEWHERE}-fast")) == {"host3": 1}
    with pytest.raises(openai.NotFoundError, match=ELSEWHERE):
        one.sdk().chat.completions.create(model="nobody-has-it", messages=QUESTION)


def test_small_jobs_stay_on_one_worker_here(lan: Network) -> None:
    one = lan.hosts[0]
    before = asked_of(one)
    assert voters(ask(one, model="swarm-fast")) == {"here": 1}
    assert asked_of(one) == before


def test_a_number_of_voters_is_dealt_out_over_the_nodes(lan: Network) -> None:
    assert voters(ask(lan.hosts[0], voters=4)) == {"here": 2, "host2": 1, "host3": 1}


def test_members_listen_on_their_lan_address_alone(lan: Network) -> None:
    for host in lan.hosts:
        lines = host.run("ss", "-tlnH").stdout.splitlines()
        found = {line.split()[3] for line in lines}
        mine = {f"{host.ipv4}:{PEER_PORT}", f"[{host.ipv6.partition('%')[0]}]%lan0:{PEER_PORT}"}
        assert found == {f"127.0.0.1:{host.node.port}", *mine}


def test_nothing_secret_is_told(lan: Network) -> None:
    for host in lan.hosts:
        ask(host)
        paths = ("diagnostics", "peers")
        told = [host.get(f"/v1/federation/{path}")[1] for path in paths]
        told += [host.get(path)[1] for path in ("/metrics", "/v1/models", "/health")]
        told += [host.main("--diagnose").stdout, host.node.said()]
        for secret in secrets_of(host):
            assert secret
            assert not [text for text in told if secret in text]


def test_the_diagnosis_names_every_peer_and_no_trouble(lan: Network) -> None:
    done = lan.hosts[0].main("--diagnose")
    assert done.returncode == 0
    assert "host2 is ready" in done.stdout
    assert "host3 is ready" in done.stdout
    assert "trouble" not in done.stdout


def test_commands_to_a_machine_without_a_node_say_what_to_do(tmp_path: Path) -> None:
    with network(1, tmp_path) as lan:
        for command in (("--diagnose",), ("approve", "123456"), ("remove", "x"), ("--new-code",)):
            done = lan.hosts[0].main(*command)
            assert done.returncode != 0
            assert "python main.py --auto" in done.stderr
        assert lan.hosts[0].main("--show-code").returncode != 0


def test_a_removed_member_is_a_stranger_that_can_be_approved_again(tmp_path: Path) -> None:
    with house(3, tmp_path) as lan:
        one, other, third = lan.hosts
        wrong = one.main("remove", "nobody")
        assert (wrong.returncode != 0, "host3" in wrong.stderr) == (True, True)
        assert one.main("remove", "host3").returncode == 0
        wait_together([one, other])
        assert voters(ask(one)) == {"here": 3, "host2": 3}
        third.node.wait_until(lambda: not ready(third), READY_S)
        assert voters(ask(third)) == {"here": 3}
        assert "host3" not in ready(one) | ready(other)
        done = other.main("approve", *pin_of(third).split())
        assert done.returncode == 0, done.stderr
        wait_together(lan.hosts)
        assert voters(ask(third)) == {"here": 3, "host1": 3, "host2": 3}


def test_no_request_is_lost_while_the_code_changes(tmp_path: Path) -> None:
    with house(2, tmp_path) as lan:
        one, _ = lan.hosts
        with ThreadPoolExecutor(4) as threads:
            asked = [threads.submit(ask, one) for _ in range(60)]
            changed = [one.main("--new-code").returncode for _ in range(3)]
            answers = [each.result() for each in asked]
        assert changed == [0, 0, 0]
        assert [text_of(answer) for answer in answers] == ["Answer: 11"] * 60
        wait_together(lan.hosts)


def test_a_named_peer_is_found_where_there_is_no_multicast(tmp_path: Path) -> None:
    with network(2, tmp_path) as lan:
        one, other = lan.hosts
        for host in lan.hosts:
            host.ip("link set lan0 multicast off")
        one.start_node()
        code = one.main("--show-code").stdout.split()[-1]
        start_member(other, code, "--peer", f"{one.ipv4}:{PEER_PORT}")
        wait_together(lan.hosts)
        assert voters(ask(one)) == {"here": 3, "host2": 3}


def test_a_member_that_was_off_when_the_code_changed_shows_a_pin_again(tmp_path: Path) -> None:
    with house(3, tmp_path) as lan:
        one, other, third = lan.hosts
        assert third.node.end() == 0
        before = one.main("--show-code").stdout
        assert one.main("--new-code").returncode == 0
        wait_together([one, other])
        assert one.main("--show-code").stdout not in ("", before)
        third.start_node()
        assert one.main("approve", *pin_of(third).split()).returncode == 0
        wait_together(lan.hosts)


def test_who_leaves_is_alone_whether_its_node_runs_or_not(tmp_path: Path) -> None:
    with house(3, tmp_path) as lan:
        one, other, third = lan.hosts
        assert one.main("--leave").returncode == 0
        wait_together([other, third])
        assert diagnostics(one)["federation"]["alone"]
        assert voters(ask(one)) == {"here": 3}
        assert third.node.end() == 0
        assert third.main("--leave").returncode == 0
        third.start_node()
        assert diagnostics(third)["federation"]["alone"]
        other.node.wait_until(lambda: not ready(other), READY_S)
