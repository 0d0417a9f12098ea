import json
from pathlib import Path

import pytest

from swarm.engines.mlx.folder import read_folder
from swarm.errors import ModelLoadFailed


def folder(path: Path, **documents: object) -> Path:
    for name, document in ({"config": {}, "tokenizer": {}} | documents).items():
        (path / f"{name}.json").write_text(json.dumps(document))
    return path


def test_every_end_token_that_a_file_names_counts(tmp_path):
    documents = {"config": {"eos_token_id": 7}, "generation_config": {"eos_token_id": [7, 9]}}
    assert read_folder(folder(tmp_path, **documents)).end_ids == {7, 9}


def test_a_model_of_several_media_keeps_its_shape_in_a_part(tmp_path):
    documents = {"config": {"text_config": {"vocab_size": 5, "eos_token_id": 0}}}
    found = read_folder(folder(tmp_path, **documents))
    assert found.shape("vocab_size") == 5
    assert found.shape("hidden_size") is None
    assert found.end_ids == {0}


def test_a_special_token_is_text_or_a_description_of_text(tmp_path):
    config = {"bos_token": {"content": "<s>"}, "eos_token": "</s>", "pad_token": None}
    found = read_folder(folder(tmp_path, tokenizer_config=config))
    assert [found.special(f"{name}_token") for name in ("bos", "eos", "pad")] == ["<s>", "</s>", ""]


@pytest.mark.parametrize(
    "named",
    ["one", [{"name": "tool_use", "template": "other"}, {"name": "default", "template": "one"}]],
)
def test_of_several_chat_templates_the_default_is_taken(tmp_path, named):
    found = read_folder(folder(tmp_path, tokenizer_config={"chat_template": named}))
    assert found.chat_template == "one"


def test_a_chat_template_of_its_own_file_comes_first(tmp_path):
    folder(tmp_path, tokenizer_config={"chat_template": "old"})
    (tmp_path / "chat_template.jinja").write_text("new")
    assert read_folder(tmp_path).chat_template == "new"


def test_a_model_without_a_chat_template_has_none(tmp_path):
    assert read_folder(folder(tmp_path)).chat_template is None


def test_only_the_sampling_values_that_are_there_are_taken(tmp_path):
    generation = {"temperature": 0.6, "top_k": 20, "top_p": None, "do_sample": True}
    found = read_folder(folder(tmp_path, generation_config=generation))
    assert found.sampling == {"temperature": 0.6, "top_k": 20.0}


def test_a_folder_without_a_needed_file_is_refused_by_its_name(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelLoadFailed, match=r"no tokenizer\.json"):
        read_folder(tmp_path)
