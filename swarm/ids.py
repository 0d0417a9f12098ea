"""The ids that a client may ask for beside those of the models: what they mean is the pool's."""

ONE_WORKER_SUFFIX = "-fast"
"""Ending of a model id that asks for one worker and no vote."""

SWARM_IDS = ("swarm", "auto")
"""Ids of the default model, whichever it is."""


def base_id(name: str) -> str:
    """The id without the ending that asks for one worker."""
    return name.removesuffix(ONE_WORKER_SUFFIX)


def asks_one_worker(name: str) -> bool:
    """Whether this id asks for one worker and no vote."""
    return name.endswith(ONE_WORKER_SUFFIX)


def same_wish(name: str, model_id: str) -> str:
    """The id that asks of this model what `name` asks of another."""
    return model_id + ONE_WORKER_SUFFIX if asks_one_worker(name) else model_id


def is_taken(name: str) -> bool:
    """Whether no model can be asked for by this name, for it means the default one."""
    return base_id(name) in SWARM_IDS
