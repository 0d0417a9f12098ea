"""Flags over environment over TOML over defaults, and mistakes that name what would be right."""

import sys
from pathlib import Path

import pytest

from settings import read_settings
from swarm.errors import ConfigurationError
from tests.homeless import become_homeless
from workspaces import WORKSPACES_FILE


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("SWARM_PORT", "SWARM_MODEL", "SWARM_CTX", "API_KEYS"):
        monkeypatch.delenv(name, raising=False)


def test_without_anything_the_defaults_hold() -> None:
    settings = read_settings([])
    assert (settings.host, settings.port, settings.federation) == ("127.0.0.1", 17615, True)
    assert settings.model == ()
    assert not settings.auto


def test_flags_win_over_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "swarm.toml").write_text("port = 1001\nctx = 1002\nthreads = 3\n")
    monkeypatch.setenv("SWARM_PORT", "2001")
    monkeypatch.setenv("SWARM_CTX", "2002")
    settings = read_settings(["--port", "3001"])
    assert (settings.port, settings.ctx, settings.threads) == (3001, 2002, 3)


def test_a_path_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    monkeypatch.setenv("SWARM_STATE", "~/state")
    text = (
        'models = "~/models"\nprompt_file = "~nobody-at-all/words"\n[tools]\nreadable = ["~/bin"]'
    )
    (tmp_path / "swarm.toml").write_text(text)
    settings = read_settings(["--agent", "--workspace", "~"])
    home = Path("/home/me")
    assert (settings.models, settings.workspace) == (home / "models", home)
    assert settings.state == settings.remembered_in == home / "state"
    assert settings.tools.readable == (home / "bin",)
    assert settings.prompt_file == Path("~nobody-at-all/words")


def test_without_a_home_a_node_remembers_where_it_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    become_homeless(monkeypatch)
    told = "knows no such home; set HOME, or name a folder with --state DIR"
    with pytest.raises(ConfigurationError, match=told):
        read_settings([])
    with pytest.raises(ConfigurationError, match=told):
        read_settings(["--state", "~nobody-at-all/state"])
    assert read_settings(["--state", str(tmp_path)]).state == tmp_path
    assert read_settings(["--detect"]).detect
    assert read_settings(["--explain"]).explain
    (tmp_path / "swarm.toml").write_text('state = "state"\n')  # which may be a model's
    with pytest.raises(ConfigurationError, match=told):
        read_settings([])


def test_the_vote_has_a_table_of_its_own(tmp_path: Path) -> None:
    text = '[vote]\npatience_s = 5\n[vote.weights]\n"big-7b" = 3\nsmall = 0.5\n'
    (tmp_path / "swarm.toml").write_text(text)
    vote = read_settings([]).vote
    assert (vote.patience_s, dict(vote.weights)) == (5, {"big-7b": 3, "small": 0.5})


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("patience_s = -1", "vote.patience_s -1 .from swarm.toml.: should be greater"),
        ("weights = {a = 0}", "vote.weights.a 0 .*: should be greater than 0"),
        ('weights = {a = "x"}', "vote.weights.a x .*: should be a valid number"),
        ("weight = 1", "there is no setting 'vote.weight'"),
    ],
)
def test_a_wrong_vote_is_named(tmp_path: Path, table: str, said: str) -> None:
    (tmp_path / "swarm.toml").write_text(f"[vote]\n{table}\n")
    with pytest.raises(ConfigurationError, match=said):
        read_settings([])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tool-server = true", "'tool-server'; did you mean tool_server[?]"),
        ("no_sandbox = true", "'no_sandbox'; did you mean sandbox = false[?]"),
        ("no-flash-attn = true", "'no-flash-attn'; did you mean flash_attn = false[?]"),
        ("n_gpu_layers = 3", "'n_gpu_layers'; did you mean gpu_layers[?]"),
        ("help = true", "'help'$"),
    ],
)
def test_a_setting_named_as_its_flag_is_told_its_own_name(
    tmp_path: Path, line: str, said: str
) -> None:
    (tmp_path / "swarm.toml").write_text(f"{line}\n")
    with pytest.raises(ConfigurationError, match=f"there is no setting {said}"):
        read_settings([])


@pytest.mark.parametrize("number", ["inf", "nan"])
@pytest.mark.parametrize(
    "text",
    [
        "memory_limit_gib = {}",
        "idle_unload_s = {}",
        "vote = {{patience_s = {}}}",
        "vote = {{weights = {{a = {}}}}}",
        "tools = {{usual_s = {}}}",
        "tools = {{packages_s = {}}}",
        "tools = {{longest_s = {}}}",
        "agent_limits = {{time_s = {}}}",
    ],
)
def test_a_number_is_finite(tmp_path: Path, text: str, number: str) -> None:
    (tmp_path / "swarm.toml").write_text(text.format(number))
    with pytest.raises(ConfigurationError, match=r"from swarm\.toml.: should be a finite number"):
        read_settings([])


def test_models_can_be_repeated_and_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings(["--model", "a.gguf", "--model", "b.gguf"]).model == ("a.gguf", "b.gguf")
    monkeypatch.setenv("SWARM_MODEL", "c.gguf, d.gguf")
    assert read_settings([]).model == ("c.gguf", "d.gguf")


def test_federation_is_accepted_both_ways() -> None:
    assert read_settings(["--federation"]).federation
    assert not read_settings(["--no-federation"]).federation


def test_a_file_and_the_environment_may_say_more_than_this_start_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "swarm.toml").write_text('workspace = "work"\npeer = ["here"]\n')
    monkeypatch.setenv("SWARM_JOIN", "abc")
    assert not read_settings(["--no-federation"]).federation
    (tmp_path / "swarm.toml").write_text("federation = false\ntool_server = true\n")
    assert read_settings(["--workspace", "work"]).tool_server
    with pytest.raises(ConfigurationError, match="--open needs the federation"):
        read_settings(["--open"])


def test_flags_that_people_are_used_to_are_taken() -> None:
    settings = read_settings(
        ["--instances", "3", "--n-gpu-layers=9", "-ngl", "8", "--ctx_size", "999"]
    )
    assert (settings.workers, settings.gpu_layers, settings.ctx) == (3, 8, 999)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--n-gpu-layers=-9", "--gpu-layers -9"),
        ("--kv q8_0 --no-flash-attn", "needs flash attention"),
        ("--prto 9", "did you mean --port"),
        ("--unheard-of X", "unrecognized arguments: --unheard-of"),
        ("--port", "expected one argument"),
        ("--host 127.0.0.1:17615", "--host 127.0.0.1:17615: .* an address alone; .* --port N"),
        ("--host http://127.0.0.1", "an address alone"),
        ("--host 192.168.1.20/v1", "an address alone"),
        ("--host [::1]", "an address alone"),
        ("--port 70000", "--port 70000 .from the command line.: should be less"),
        ("--ctx 7", "--ctx 7"),
        ("--gpu-layers -2", "--gpu-layers -2"),
        ("--kv f7", "'q8_0'"),
        ("--workers 0", "--workers 0"),
        ("--memory-limit-gib inf", "--memory-limit-gib inf .*: should be a finite number"),
        ("--memory-limit-gib nan", "--memory-limit-gib nan .*: should be a finite number"),
        ("--memory-limit-gib 1e308", "--memory-limit-gib 1e308 .*: should be less"),
        ("--debug --quiet", "exclude"),
        ("--federation --no-federation", "not allowed with"),
        ("--detect --explain", "--detect and --explain exclude"),
        ("approve 482 913 --leave", "approve and --leave exclude"),
        ("--diagnose --leave --new-code", "--diagnose and --leave exclude"),
        ("--new-code --leave", "--leave and --new-code exclude"),
        ("--no-federation --join abc", "--join needs the federation: no --no-federation"),
        ("--no-federation --open", "--open needs"),
        ("--no-federation --peer here", "--peer needs"),
        ("--workspace work", "--workspace goes with --tool-server or --agent"),
        ("--no-sandbox", "--no-sandbox goes with"),
    ],
)
def test_a_mistake_names_what_would_be_right(arguments: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read_settings(arguments.split())


@pytest.mark.parametrize("host", ["lan", "localhost", "my-house.local", "::1", "fe80::1%eth0"])
def test_a_host_is_an_address_or_a_name(host: str) -> None:
    assert read_settings(["--host", host]).host == host


def test_a_mistake_in_the_environment_names_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SWARM_PORT", "many")
    with pytest.raises(ConfigurationError, match="from SWARM_PORT"):
        read_settings([])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MAX_REQUESTS", "0", "^max_requests 0 .from SWARM_MAX_REQUESTS"),
        ("SANDBOX", "maybe", "^sandbox maybe"),
        ("PROMPT", "half", "^--prompt half"),
        ("TOOL_PORT", "0", "^--tool-port 0"),
    ],
)
def test_only_what_is_a_flag_is_called_one(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"SWARM_{name}", value)
    with pytest.raises(ConfigurationError, match=said):
        read_settings([])


def test_a_file_that_tools_could_have_written_is_not_obeyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, state = tmp_path / "project", tmp_path / "state"
    (project / "deep").mkdir(parents=True)
    state.mkdir()
    (state / WORKSPACES_FILE).write_text(f"{tmp_path / 'other'}\n{project}\n")
    for folder in (project, project / "deep"):
        monkeypatch.chdir(folder)
        assert read_settings(["--state", str(state)]).sandbox
        text = f'sandbox = false\nworkspace = "{tmp_path}"\nstate = "{tmp_path / "mine"}"\n'
        (folder / "swarm.toml").write_text(text)
        with pytest.raises(ConfigurationError, match="tools of this node could write it"):
            read_settings(["--state", str(state)])
        monkeypatch.setenv("SWARM_STATE", str(state))
        with pytest.raises(ConfigurationError, match=f"take that line out of {state}"):
            read_settings([])
        monkeypatch.delenv("SWARM_STATE")
        (folder / "swarm.toml").unlink()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "swarm.toml").write_text("sandbox = false\n")
    assert not read_settings(["--state", str(state)]).sandbox


@pytest.mark.parametrize("name", ["SWARM_KEYS", "SWARM_TOOLS"])
def test_a_table_in_the_environment_that_is_no_json_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "sk-secret")
    with pytest.raises(ConfigurationError, match=f"^{name}: not JSON") as caught:
        read_settings([])
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["prot = 1", "port = 'many'", "port ="])
def test_a_mistake_in_the_file_names_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "swarm.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"swarm\.toml"):
        read_settings([])


def test_help_is_one_page_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read_settings(["--help"])
    assert caught.value.code == 0
    page = capsys.readouterr().out
    assert "what to serve:" in page
    assert "--no-federation" in page
    assert page.startswith("usage: python main.py [FLAGS]")
    assert len(page.splitlines()) < 120


def test_keys_stand_in_the_file_or_else_in_a_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("API_KEYS", "sk-from-variable-1, sk-from-variable-2")
    keys = read_settings([]).keys
    assert [key.key.get_secret_value() for key in keys.values()] == [
        "sk-from-variable-1",
        "sk-from-variable-2",
    ]
    (tmp_path / "swarm.toml").write_text(
        '[keys]\nphone = "sk-of-the-phone"\n'
        '[keys.laptop]\nkey = "sk-of-the-laptop"\nmodels = ["swarm-fast"]\ntokens_per_minute = 9\n'
    )
    keys = read_settings([]).keys
    assert {name: key.key.get_secret_value() for name, key in keys.items()} == {
        "phone": "sk-of-the-phone",
        "laptop": "sk-of-the-laptop",
    }
    assert (keys["laptop"].models, keys["laptop"].tokens_per_minute) == (("swarm-fast",), 9)


@pytest.mark.parametrize(
    "text",
    [
        "[keys]\nphone = 'secret!'",
        "[keys.phone]\nkey = 'secret-long-enough'\nrequests_per_minute = 'secret!'",
        "[keys.phone]\nkey = 'secret-long-enough'\nother = 'secret!'",
        "keys = 'secret!'",
    ],
)
def test_a_mistake_beside_a_key_does_not_show_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "swarm.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_settings([])
    assert "keys" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["tool_token", "engine_key", "join", "key"])
@pytest.mark.parametrize("value", ["4711047110", "['4711047110']"])
def test_a_mistake_in_a_secret_does_not_show_it(tmp_path: Path, name: str, value: str) -> None:
    (tmp_path / "swarm.toml").write_text(f"{name} = {value}\n")
    with pytest.raises(ConfigurationError, match="valid string") as caught:
        read_settings([])
    assert "4711" not in str(caught.value)


def test_a_token_that_is_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_TOOL_TOKEN", "")
    with pytest.raises(ConfigurationError, match=r"^tool_token .from SWARM_TOOL_TOKEN."):
        read_settings([])


@pytest.mark.skipif(sys.platform != "linux", reason="a file that cannot be read, also by root")
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "swarm.toml").symlink_to("/proc/self/mem")
    with pytest.raises(ConfigurationError, match=r"swarm.toml cannot be read: "):
        read_settings([])


@pytest.mark.parametrize("flag", ["--key", "--api-key"])
def test_a_key_of_the_command_line_is_for_commands_only(
    monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    with pytest.raises(
        ConfigurationError, match=r"\[keys\] of swarm.toml or in API_KEYS"
    ) as caught:
        read_settings(["--auto", "--host", "lan", flag, "sk-mine-12345678"])
    assert "sk-mine" not in str(caught.value)
    for command in (["--opencode"], ["approve", "123456"], ["--diagnose"], ["--leave"]):
        key = read_settings([*command, flag, "sk-mine-12345678"]).key
        assert key is not None
        assert key.get_secret_value() == "sk-mine-12345678"
    monkeypatch.setenv("SWARM_KEY", "sk-mine-12345678")
    assert read_settings(["--auto"]).key is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "[" * 3000 + "]" * 3000, "swarm.toml: .*nested too deep"),
        ('prompt_file = "a\\u0000b"', "prompt_file .*no NUL"),
    ],
    ids=["nested", "NUL"],
)
def test_a_file_that_nobody_would_write_is_refused_in_words(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "swarm.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        read_settings([])


def test_a_file_that_is_a_link_to_itself_is_named(tmp_path: Path) -> None:
    (tmp_path / "swarm.toml").symlink_to("swarm.toml")
    with pytest.raises(ConfigurationError, match=r"swarm.toml is a link to itself"):
        read_settings([])


def test_a_list_of_workspaces_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "swarm.toml").write_text("port = 1")
    (tmp_path / "state" / WORKSPACES_FILE).mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=rf"{WORKSPACES_FILE} cannot be read"):
        read_settings(["--state", str(tmp_path / "state")])


def test_keyless_and_keys_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEYS", "sk-from-variable-1")
    with pytest.raises(ConfigurationError, match="exclude"):
        read_settings(["--keyless"])


def test_opencode_takes_a_folder_or_none() -> None:
    assert read_settings(["--opencode"]).opencode == "."
    assert read_settings(["--opencode", "global"]).opencode == "global"
    assert read_settings([]).opencode is None


def test_a_model_has_a_table_of_its_own_that_wins(tmp_path: Path) -> None:
    text = (
        'ctx = 1024\n[models]\nfolder = "elsewhere"\n[models."qwen:7b"]\nctx = 4096\nkv = "q8_0"\n'
    )
    (tmp_path / "swarm.toml").write_text(text)
    settings = read_settings(["--workers", "2"])
    assert settings.models == Path("elsewhere")
    own = settings.of_model("qwen:7b")
    assert (own.ctx, own.kv, own.workers) == (4096, "q8_0", 2)
    assert settings.of_model("other").ctx == 1024


def test_a_folder_beside_tables_of_models_is_told_its_place(tmp_path: Path) -> None:
    (tmp_path / "swarm.toml").write_text('models = "elsewhere"\n[models."qwen:7b"]\nctx = 4096\n')
    with pytest.raises(ConfigurationError, match=r"`folder` in \[models\]"):
        read_settings([])


def test_the_folder_may_stand_alone(tmp_path: Path) -> None:
    (tmp_path / "swarm.toml").write_text('models = "elsewhere"\n')
    assert read_settings([]).models == Path("elsewhere")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("ctx = 3", "models.a.ctx 3 .from swarm.toml.: should be greater"),
        ("context = 4096", "there is no setting 'models.a.context'"),
        ('kv = "x"', "models.a.kv x"),
    ],
)
def test_a_wrong_setting_of_a_model_is_named(tmp_path: Path, table: str, said: str) -> None:
    (tmp_path / "swarm.toml").write_text(f"[models.a]\n{table}\n")
    with pytest.raises(ConfigurationError, match=said):
        read_settings([])


def test_a_model_s_quantised_cache_needs_flash_attention(tmp_path: Path) -> None:
    (tmp_path / "swarm.toml").write_text('[models.a]\nkv = "q8_0"\n')
    with pytest.raises(ConfigurationError, match="--kv q8_0 needs flash attention"):
        read_settings(["--no-flash-attn"])


def test_tools_have_flags_and_a_table(tmp_path: Path) -> None:
    (tmp_path / "swarm.toml").write_text('[tools]\nlongest_s = 900\nreadable = ["/opt/x"]\n')
    settings = read_settings(["--tool-server", "--tool-host", "--allow-network", "--no-sandbox"])
    assert (settings.tool_server, settings.tool_host, settings.tool_port) == (True, "lan", 17616)
    assert (settings.allow_network, settings.sandbox) == ("all", False)
    assert (settings.tools.longest_s, settings.tools.readable) == (900, (Path("/opt/x"),))
    assert (read_settings([]).sandbox, read_settings([]).allow_network) == (True, "none")
    listed = read_settings(["--agent", "--allow-network", "packages"])
    assert listed.allow_network == "packages"
    with pytest.raises(ConfigurationError, match="'none', 'packages' or 'all'"):
        read_settings(["--allow-network", "some"])
    assert read_settings(["--tool-host", "http://192.168.1.5:17616"]).tool_host


def test_the_agent_has_a_flag_and_limits(tmp_path: Path) -> None:
    (tmp_path / "swarm.toml").write_text("[agent_limits]\nsteps = 5\n")
    settings = read_settings(["--agent", "--tool-host", "http://192.168.1.5:17616"])
    assert (settings.agent, settings.agent_limits.steps) == (True, 5)
    assert not read_settings([]).agent


def test_an_agent_is_for_those_with_a_key() -> None:
    with pytest.raises(ConfigurationError, match="--keyless and --agent"):
        read_settings(["--agent", "--host", "lan", "--keyless"])
