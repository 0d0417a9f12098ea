"""The command line: parse, build Settings, choose a model, wire the parts, run until a signal.

Doors and engines are imported when they start: `import main` needs neither.
"""
# ruff: noqa: PLC0415

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from settings import Settings, environment, read_settings
from swarm.errors import ConfigurationError, SwarmError
from swarm.models.fit import Room, room_for_models
from swarm.models.local import (
    BUNDLED_ID,
    LocalModel,
    bundled_model,
    largest_that_fits,
    named_model,
    scan_models,
)

if TYPE_CHECKING:
    from api.entrance import Entrance
    from api.server import ClientServer
    from hardware.snapshot import Snapshot
    from swarm.engines.process import EngineProcess
    from swarm.pool import Pool

logger = logging.getLogger("swarm")

VERSION = "0.1.0"

DRAIN_SECONDS = 4.5
"""How long open answers may go on after a signal; ending the engine may take 5 s more."""

_ENGINE = "swarm.engines.llama.engine:load"
ENGINE_ENVIRONMENT = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}
"""OpenMP's threads spin for some microseconds, then sleep: never spinning costs a third of the
speed, libgomp's 300,000 rounds are ruin beside a busy neighbour (docs/decisions/0009). What the
owner has set wins."""

_TINY_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What this node will serve: the first model is the default; why, in words."""

    models: tuple[LocalModel, ...]
    reason: str


def main(arguments: Sequence[str]) -> int:
    """Run a node until a signal. Returns the exit status."""
    from api.commands import answered

    try:
        settings = read_settings(arguments)
        if (said := answered(settings, environment())) is not None:
            print(said)
            return 0
        _start_logging(settings)
        snapshot = _snapshot(environment())
        if settings.detect:
            _print_hardware(settings, snapshot)
            return 0
        _check_threads(settings, snapshot)
        room = room_for_models(snapshot, _engine_kind(settings, snapshot))
        plan = choose(settings, snapshot, room)
        read = partial(read_settings, arguments)
        asyncio.run(serve(settings, snapshot, plan, room, read))
    except SwarmError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigurationError) else 1
    except (KeyboardInterrupt, EOFError):
        return 130
    return 0


def choose(settings: Settings, snapshot: "Snapshot", room: Room) -> Plan:
    """The models to serve; asks the person only on a terminal and without `--auto`."""
    if settings.model:
        models = tuple(named_model(name) for name in settings.model)
        ids = [model.id for model in models]
        if len(set(ids)) < len(ids):
            raise ConfigurationError(f"--model: two files have the same name: {', '.join(ids)}")
        return Plan(models, "named with --model")
    found = scan_models(settings.models)
    plan = recommended(found, room.weights_bytes, folder=str(settings.models))
    if settings.auto or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return plan
    return ask_person(plan, found, snapshot)


def recommended(found: Sequence[LocalModel], room: int, *, folder: str) -> Plan:
    """The largest model of the folder that fits, otherwise the bundled one."""
    best = largest_that_fits(found, room)
    if best is not None:
        return Plan((best,), f"the largest in {folder} that fits into this machine's memory")
    reason = "the small bundled model"
    if found:
        reason += f", as no model in {folder} fits into {_gib(room)} of memory"
    return Plan((bundled_model(),), reason)


def ask_person(plan: Plan, found: Sequence[LocalModel], snapshot: "Snapshot") -> Plan:
    """Show what there is and let the person choose; Enter takes the recommended model."""
    from hardware.snapshot import summary

    print("\n".join(["Hardware", *(f"  {line}" for line in summary(snapshot)), "Models"]))
    best = plan.models[0]
    others = [model for model in (*found, bundled_model()) if model != best]
    candidates = [best, *others]
    for number, model in enumerate(candidates, 1):
        mark = f"  <- recommended: {plan.reason}" if model == best else ""
        print(f"  {number}  {model.id} ({_gib(model.size_bytes)}){mark}")
    while True:
        answer = input("Model [1]: ").strip() or "1"
        if answer.isdecimal() and 1 <= int(answer) <= len(candidates):
            chosen = candidates[int(answer) - 1]
            return plan if chosen == best else Plan((chosen,), "chosen by you")
        print(f"  a number from 1 to {len(candidates)}, please")


async def serve(
    settings: Settings, snapshot: "Snapshot", plan: Plan, room: Room, read: Callable[[], Settings]
) -> None:
    """Serve the plan until a signal, then end in order; `read` reads the settings anew."""
    from api.app import make_app
    from api.entrance import Entrance
    from api.joining import join_others
    from api.reload import LiveSettings, forms_of, weights_of
    from api.server import ClientServer, PortInUseError
    from hardware.snapshot import summary
    from swarm.pool import Pool, ServedModel
    from swarm.workers import usual_workers

    entrance = await asyncio.to_thread(Entrance.of, settings)
    count = len(plan.models)
    engines = {
        model.id: make_engine(settings, snapshot, model, room, models=count)
        for model in plan.models
    }
    now = int(time.time())
    pool = Pool(
        [ServedModel(name, engine, now) for name, engine in engines.items()],
        max_requests=settings.max_requests,
        usual_workers=settings.workers
        or usual_workers(snapshot.usable_cores, accelerated=room.device_bytes is not None),
        weights=weights_of(settings.vote),
        forms=await asyncio.to_thread(forms_of, settings),
    )
    try:
        async with AsyncExitStack() as stack:
            federation = None
            if settings.federation:
                federation = join_others(
                    settings,
                    pool,
                    version=VERSION,
                    hardware=summary(snapshot)[0],
                    say=partial(_say, settings),
                )
                await stack.enter_async_context(federation)
            app = make_app(pool, entrance.door, federation=federation, keyring=entrance.keyring)
            server = ClientServer(app, hosts=entrance.where.hosts, port=settings.port)
            await stack.enter_async_context(server)
            await stack.enter_async_context(LiveSettings(settings, read, pool, entrance))
            await _serve_until_signal(
                settings, snapshot, plan, pool, server, list(engines.values()), entrance
            )
    except PortInUseError as error:
        raise ConfigurationError(
            f"{error}{_holder(settings.port)}; choose another with --port N"
        ) from error


async def _serve_until_signal(
    settings: Settings,
    snapshot: "Snapshot",
    plan: Plan,
    pool: "Pool",
    server: "ClientServer",
    engines: "list[EngineProcess]",
    entrance: "Entrance",
) -> None:
    from api.signals import Signals
    from swarm.engines.llama.build import notes

    signals = Signals()
    _say(settings, first_screen(snapshot, plan, entrance, notes(snapshot, environment())))
    loading = asyncio.create_task(_load(settings, engines, entrance))
    stopping = asyncio.create_task(signals.first.wait())
    try:
        await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            loading.result()
            await stopping
    finally:
        server.stop_accepting()
        if pool.in_flight:
            logger.info("ending; %d open answers have %.1f s", pool.in_flight, DRAIN_SECONDS)
        await _cancelled(loading, stopping)
        draining = asyncio.create_task(pool.drain(DRAIN_SECONDS))
        signals.on_second(draining.cancel)
        await asyncio.wait({draining})
        await pool.aclose()


async def _load(settings: Settings, engines: "list[EngineProcess]", entrance: "Entrance") -> None:
    from api.welcome import connect_lines

    for engine in engines:
        await engine.start()
    _say(settings, connect_lines(entrance))


def make_engine(
    settings: Settings, snapshot: "Snapshot", model: LocalModel, room: Room, *, models: int
) -> "EngineProcess":
    """The engine of one of so many models, not yet started."""
    from swarm.engines.llama.options import MAX_SEQUENCES, LlamaOptions
    from swarm.engines.process import EngineProcess

    options = LlamaOptions(
        path=model.path,
        context_tokens=settings.ctx,
        memory_bytes=room.cache_bytes(model.size_bytes, models=models),
        sequences=max(settings.workers or 0, MAX_SEQUENCES),
        threads=settings.threads or _threads(snapshot, model),
        gpu_layers=settings.gpu_layers,
        device_bytes=None if room.device_bytes is None else room.device_bytes // models,
        model_bytes=model.size_bytes,
        kv_type=settings.kv,
        flash_attention=settings.flash_attn,
    )
    chosen = {**ENGINE_ENVIRONMENT, **environment()}
    return EngineProcess(factory=_ENGINE, options=options, name=model.id, environment=chosen)


def _threads(snapshot: "Snapshot", model: LocalModel) -> int:
    """The fast physical cores; but a tiny model's threads would mostly wait for each other.

    Beside one busy process a tiny model ran 24 times as fast with one thread as with two.
    """
    if model.size_bytes < _TINY_BYTES:
        return 1
    fast = snapshot.performance_cores or snapshot.physical_cores
    return max(1, min(snapshot.usable_cores, fast))


def first_screen(
    snapshot: "Snapshot", plan: Plan, entrance: "Entrance", notes: Sequence[str] = ()
) -> str:
    """Hardware, model and endpoint; how to connect follows when the model is loaded."""
    from api.welcome import SMALL_MODEL_NOTE, endpoint_lines
    from hardware.snapshot import summary

    first, *rest = summary(snapshot)
    lines = ["Local Swarm", f"  hardware   {first}", *(f"             {line}" for line in rest)]
    lines += [f"  note       {note}" for note in notes]
    lines += [f"  model      {model.id}: {plan.reason}" for model in plan.models]
    lines += endpoint_lines(entrance)
    if plan.models[0].id == BUNDLED_ID:
        lines.append(f"  {SMALL_MODEL_NOTE}")
    return "\n".join(lines)


async def _cancelled(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _snapshot(environ: Mapping[str, str]) -> "Snapshot":
    from hardware.detect import detect

    return detect(environ)


def _print_hardware(settings: Settings, snapshot: "Snapshot") -> None:
    from hardware.report import details, encode_json
    from swarm.engines.llama.build import notes

    if settings.as_json:
        print(encode_json(snapshot))
        return
    lines = details(snapshot) + [f"note         {each}" for each in notes(snapshot, environment())]
    print("\n".join(lines))


def _engine_kind(settings: Settings, snapshot: "Snapshot") -> str:
    """What the installed engine was built for. Raises ConfigurationError where that cannot be."""
    from swarm.engines.llama.build import check_build, installed_build

    build = installed_build()
    check_build(build, snapshot.features)
    if settings.gpu_layers and settings.gpu_layers > 0 and build.kind == "cpu":
        raise ConfigurationError(
            f"--gpu-layers {settings.gpu_layers}: the engine was built for the processor alone "
            f"({build.reason}); install a GPU toolkit and run `make clean setup`"
        )
    return build.kind


def _check_threads(settings: Settings, snapshot: "Snapshot") -> None:
    import psutil

    most = max(psutil.cpu_count() or 1, snapshot.usable_cores)
    if settings.threads is not None and settings.threads > most:
        raise ConfigurationError(f"--threads {settings.threads}: this machine has {most} cores")


def _holder(port: int) -> str:
    """Who listens on the port, as far as this user may know."""
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN
            if listens and connection.pid and connection.laddr[1:] == (port,):
                name = psutil.Process(connection.pid).name()
                return f" by {name} (process {connection.pid})"
    except psutil.Error:
        pass
    return ""


def _start_logging(settings: Settings) -> None:
    from api.reload import set_log_level

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    set_log_level(settings)


def _say(settings: Settings, text: str) -> None:
    if not settings.quiet:
        print(text, flush=True)


def _gib(count: int) -> str:
    return f"{count / (1 << 30):.2f} GiB"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
