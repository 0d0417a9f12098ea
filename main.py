"""The command line: parse, build Settings, choose a model, wire the parts, run until a signal.

Doors and engines are imported when they start: `import main` needs neither.
"""
# ruff: noqa: PLC0415

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    from settings import TOML_FILE, Settings, Stamp, environment, read_settings, toml_stamp
except ImportError as error:  # not .venv's Python, which may also be too old for them
    if __name__ != "__main__":
        raise
    from hardware.setting_up import python_command, setup_command

    todo = (
        f"start it with {python_command()} main.py, or activate .venv ({setup_command()} makes it)"
    )
    print(f"error: a package of this project is not here ({error}): {todo}", file=sys.stderr)
    sys.exit(2)
from api.output import prepare_streams, say, start_logging, while_it_is_read
from ending import ended
from lookups import run
from swarm.apart import TOO_MANY, lacks_thread
from swarm.errors import ConfigurationError, SwarmError
from swarm.models.choose import Choice, best_to_bring, named_models, recommended, until_here
from swarm.models.explain import explain
from swarm.models.hub import hub_of
from swarm.models.local import (
    BUNDLED_ID,
    LocalModel,
    bundled_model,
    scan_models,
    upstream_models,
)
from swarm.models.machine import Machine

if TYPE_CHECKING:
    from api.metrics import Metrics
    from api.reload import LiveSettings
    from api.server import ClientServer
    from api.signals import Signals
    from api.tool_door import Toolbox
    from federation.federation import Federation
    from hardware.snapshot import Snapshot
    from swarm.models.fit import Plan
    from swarm.models.wanted import Wanted
    from swarm.pool import Pool
    from swarm.successor import Successor

logger = logging.getLogger("swarm")

VERSION = "0.1.0"

DRAIN_SECONDS = 4.5
"""How long open answers may go on after a signal; ending the engine may take 5 s more."""


def main(arguments: Sequence[str]) -> int:
    """Run a node until a signal. Returns the exit status."""
    prepare_streams()
    try:
        stamp = toml_stamp()
        with while_it_is_read():  # `--help` is
            settings = read_settings(arguments)
        if (said := _answered(settings)) is not None:
            with while_it_is_read():
                print(said)
            return 0
        start_logging(settings)
        snapshot = _snapshot(environment())
        from api.serving import check_threads, fit_options, plans_of
        from hardware.descriptors import allow_descriptors
        from swarm.engines.starting import formats

        check_threads(settings, snapshot)
        kind = _engine_kind(settings, snapshot)
        machine = Machine(snapshot, kind, partial(fit_options, settings), formats())
        if settings.explain:
            lines = _explained(settings, machine)
            with while_it_is_read():
                print("\n".join(lines))
            return 0
        choice = choose(settings, machine)
        plans = plans_of(choice, machine)
        read = partial(read_settings, arguments)
        allow_descriptors()
        run(_run(partial(serve, settings, stamp, machine, choice, plans, read)))
    except SwarmError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigurationError) else 1
    except RuntimeError as error:
        if not lacks_thread(error):
            raise
        print(f"error: {TOO_MANY}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        return 130
    return 0


def _answered(settings: Settings) -> str | None:
    """What a command prints; None where a node is to be started."""
    if settings.detect:  # first, for it needs nothing of what follows
        return _hardware(settings, _snapshot(environment()))
    from api.commands import answered

    return answered(settings, environment())


def choose(settings: Settings, machine: Machine) -> Choice:
    """The models to serve; asks the person only on a terminal and without `--auto`."""
    from api.serving import known_here, plans_of

    if settings.engine:
        models = upstream_models(settings.engine, settings.model)
        return Choice(models, f"served by {settings.engine}")
    hub = hub_of(environment())
    known = known_here(settings, machine, hub)
    here = (*known.found, *known.cached)
    if settings.model:
        named = named_models(settings.model, known, machine, partial(_bring, settings))
        return named.with_others(here, machine)
    choice = recommended(known, machine, folder=str(settings.models))
    if choice.models[0].id == BUNDLED_ID:
        offline = hub.offline and not settings.federation
        why_not = "but it is not here, and offline mode is on" if offline else None
        choice = until_here(choice, best_to_bring(known, machine), why_not=why_not)
    if not settings.auto and sys.stdin.isatty() and sys.stdout.isatty():
        running = [model for model in here if model.format in machine.formats]
        *_, plan = plans_of(choice, machine)
        choice = ask_person(choice, running, machine.snapshot, plan)
    return choice.with_others(here, machine)


def _explained(settings: Settings, machine: Machine) -> list[str]:
    """How the models would run and why; nothing is brought here for it."""
    from api.serving import explained_by_name, plans_of

    if settings.model and not settings.engine:
        return explained_by_name(settings, machine, environment())
    choice = choose(settings, machine)
    plans = [plan for plan in plans_of(choice, machine) if plan]
    return [f"chosen: {choice.reason}", *(line for plan in plans for line in explain(plan))]


def _bring(settings: Settings, wanted: "Wanted") -> Path:
    """From a peer, the hub, or its cache: the library is imported when it is needed."""
    from api.joining import copied_from_peers
    from swarm.models.download import bring

    from_peer = partial(copied_from_peers, settings) if settings.federation else None
    return bring(wanted, hub_of(environment()), from_peer=from_peer)


def ask_person(
    choice: Choice, found: Sequence[LocalModel], snapshot: "Snapshot", plan: "Plan | None"
) -> Choice:
    """Show what there is and let the person choose; Enter takes the recommended model, which would
    run by `plan`.
    """
    from hardware.snapshot import summary

    print("\n".join(["Hardware", *(f"  {line}" for line in summary(snapshot)), "Models"]))
    best = None if choice.better else choice.models[0]
    others = [model for model in (*found, bundled_model()) if model != best]
    candidates = [choice, *(Choice((model,), "chosen by you") for model in others)]
    for number, candidate in enumerate(candidates, 1):
        print(f"  {number}  {_described(candidate)}{_speed(plan) if number == 1 else ''}")
    print(f"  1 is recommended: {choice.reason}")
    while True:
        answer = input("Model [1]: ").strip() or "1"
        if answer.isdecimal() and 1 <= int(answer) <= len(candidates):
            return candidates[int(answer) - 1]
        print(f"  a number from 1 to {len(candidates)}, please")


def _described(choice: Choice) -> str:
    if choice.better is not None:
        return f"{choice.better}, which is downloaded"
    return f"{choice.models[0].id} ({_gib(choice.models[0].size_bytes)})"


def _speed(plan: "Plan | None") -> str:
    if plan is None:
        return ""
    slow, fast = plan.tokens_per_s
    return f"; {plan.context_tokens} tokens of context, {slow:.0f} to {fast:.0f} tokens/s"


async def _run(work: "Callable[[Signals], Coroutine[Any, Any, None]]") -> None:
    from api.signals import Signals

    signals = Signals()
    await signals.run(work(signals))


async def serve(
    settings: Settings,
    stamp: Stamp,
    machine: Machine,
    choice: Choice,
    plans: "list[Plan | None]",
    read: Callable[[], Settings],
    signals: "Signals",
) -> None:
    """Serve until a signal; `stamp` is of the settings' file before, `read` reads it anew."""
    from api.agent import agent_with
    from api.app import make_app
    from api.entrance import Entrance
    from api.joining import copy_into
    from api.metrics import Metrics
    from api.reload import LiveSettings
    from api.server import ClientServer
    from api.serving import loaded_at_start, pool_of, shared_files, successor_of
    from api.tool_door import tools_of
    from api.welcome import connect_lines, first_screen, start_warning

    entrance = await asyncio.to_thread(Entrance.of, settings)
    snapshot, tell = machine.snapshot, partial(say, settings)
    pool = await asyncio.to_thread(pool_of, choice, machine, settings, environment())
    files = await asyncio.to_thread(shared_files, (*choice.models, *choice.others))
    metrics = Metrics()
    live = LiveSettings(settings, stamp, read, pool, entrance)

    async with (
        ClientServer(hosts=entrance.where.hosts, port=settings.port) as server,
        AsyncExitStack() as stack,
    ):
        federation = copy = None
        if settings.federation:
            among_others = _among_others(live, machine, choice, pool, files, metrics)
            federation = await stack.enter_async_context(among_others)
            copy = copy_into(hub_of(environment()).cache, federation)
        toolbox = await stack.enter_async_context(tools_of(settings, federation, tell))
        successor = successor_of(choice, machine, settings, environment(), files, copy)
        app = make_app(
            pool,
            entrance.door,
            federation=federation,
            keyring=entrance.keyring,
            agent=agent_with(settings, toolbox),
            tools=toolbox.tools if toolbox and toolbox.shared else None,
            successor=successor,
            metrics=metrics,
        )
        await stack.enter_async_context(server.serving(app))
        told = await asyncio.to_thread(_notes, settings, snapshot)
        await asyncio.to_thread(entrance.found.keep)
        if warning := start_warning(entrance):
            logger.warning("%s", warning)
        await _follow_file(live, toolbox, stack)
        screen = first_screen(settings, snapshot, choice, entrance, plans, told)
        say_how = partial(tell, connect_lines(entrance, snapshot.platform, settings.state))
        loading = _load(pool, loaded_at_start(choice, settings), say_how, successor)
        await _serve_until_signal(settings, screen, pool, server, loading, signals)


async def _follow_file(
    live: "LiveSettings", toolbox: "Toolbox | None", stack: AsyncExitStack
) -> None:
    """Take changes of the settings' file while the stack is open, unless a tool could write it."""
    if toolbox and await asyncio.to_thread(toolbox.may_write, Path(TOML_FILE)):
        logger.info("%s is read at the start only: tools could write it", TOML_FILE)
    else:
        await stack.enter_async_context(live)


@asynccontextmanager
async def _among_others(
    live: "LiveSettings",
    machine: Machine,
    choice: Choice,
    pool: "Pool",
    files: Mapping[str, Path],
    metrics: "Metrics",
) -> "AsyncGenerator[Federation]":
    """This node's place in its federation, while the block runs."""
    from api.joining import engine_of, join_others
    from federation.home import lived_in
    from hardware.snapshot import summary

    place = join_others(
        live.settings,
        pool,
        version=VERSION,
        hardware=summary(machine.snapshot)[0],
        engine=engine_of(choice.models[0]),
        files=files,
        vote=lambda: live.settings.vote,
        metrics=metrics,
        say=partial(say, live.settings),
    )
    async with lived_in(live.settings.state), place as federation:
        yield federation


async def _serve_until_signal(
    settings: Settings,
    screen: str,
    pool: "Pool",
    server: "ClientServer",
    load: Coroutine[Any, Any, None],
    signals: "Signals",
) -> None:
    say(settings, screen)
    loading = asyncio.create_task(load)
    stopping = signals.wait_for_first()
    try:
        await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            loading.result()
            await stopping
    finally:
        server.stop_accepting()
        if pool.in_flight:
            logger.info("ending; %d open answers have %.1f s", pool.in_flight, DRAIN_SECONDS)
        await ended(loading, stopping)
        draining = asyncio.create_task(pool.drain(DRAIN_SECONDS))
        signals.on_second(draining.cancel)
        await asyncio.wait({draining})
        await pool.aclose()


async def _load(
    pool: "Pool",
    first: Sequence[str],
    say_how: Callable[[], None],
    successor: "Successor | None",
) -> None:
    await pool.loading.begin(first)
    say_how()
    if successor is not None:
        await successor.take_over(pool)


def _snapshot(environ: Mapping[str, str]) -> "Snapshot":
    from hardware.detect import detect

    return detect(environ)


def _hardware(settings: Settings, snapshot: "Snapshot") -> str:
    from hardware.report import details, encode_json
    from swarm.engines.llama.build import notes

    if settings.as_json:
        return encode_json(snapshot)
    lines = details(snapshot) + [f"note         {each}" for each in notes(snapshot, environment())]
    return "\n".join(lines)


def _engine_kind(settings: Settings, snapshot: "Snapshot") -> str:
    """What the installed engine was built for. Raises ConfigurationError where that cannot be."""
    from swarm.engines.llama.build import check_build, check_gpu_layers, installed_build
    from swarm.engines.starting import usual_engine

    build = installed_build()
    check_build(build, snapshot.features)
    check_gpu_layers(settings.gpu_layers or 0, build, snapshot, environment())
    return usual_engine(build.kind, settings)


def _notes(settings: Settings, snapshot: "Snapshot") -> list[str]:
    """What the first screen says of hardware and models that cannot be used as they are."""
    from swarm.engines.llama.build import notes
    from swarm.engines.starting import without_engine

    if settings.engine:
        return []
    return notes(snapshot, environment()) + without_engine(scan_models(settings.models))


def _gib(count: int) -> str:
    return f"{count / (1 << 30):.2f} GiB"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
