"""The command line: parse, build Settings, choose a model, wire the parts, run until a signal.

Doors and engines are imported when they start: `import main` needs neither.
"""
# ruff: noqa: PLC0415

import asyncio
import contextlib
import ipaddress
import logging
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from settings import Settings, environment, read_settings
from swarm.errors import ConfigurationError, SwarmError
from swarm.models.choose import Choice, named_models, plan_of, recommended, suggestion
from swarm.models.explain import explain
from swarm.models.fit import Wishes
from swarm.models.ids import Known, Machine
from swarm.models.local import BUNDLED_ID, LocalModel, bundled_model, scan_models

if TYPE_CHECKING:
    from api.server import ClientServer
    from hardware.snapshot import Snapshot
    from swarm.engines.process import EngineProcess
    from swarm.models.fit import Plan
    from swarm.models.wanted import Wanted
    from swarm.pool import Pool

logger = logging.getLogger("swarm")

DRAIN_SECONDS = 4.5
"""How long open answers may go on after a signal; ending the engine may take 5 s more."""

_ENGINE = "swarm.engines.llama.engine:load"
ENGINE_ENVIRONMENT = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}
"""OpenMP's threads spin for some microseconds, then sleep: never spinning costs a third of the
speed, libgomp's 300,000 rounds are ruin beside a busy neighbour (docs/decisions/0009). What the
owner has set wins."""

_TINY_BYTES = 64 << 20


def main(arguments: Sequence[str]) -> int:
    """Run a node until a signal. Returns the exit status."""
    try:
        settings = read_settings(arguments)
        _start_logging(settings)
        _check_host(settings.host)
        snapshot = _snapshot(environment())
        _check_threads(settings, snapshot)
        machine = Machine(snapshot, _engine_kind(settings, snapshot), wishes(settings))
        choice = choose(settings, machine)
        plans = plans_of(choice, machine)
        if settings.explain:
            lines = [line for plan in plans for line in explain(plan)]
            print("\n".join([f"chosen: {choice.reason}", *lines]))
            return 0
        asyncio.run(serve(settings, snapshot, choice, plans))
    except SwarmError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigurationError) else 1
    except (KeyboardInterrupt, EOFError):
        return 130
    return 0


def wishes(settings: Settings) -> Wishes:
    """The owner's words over the fit's."""
    return Wishes(
        settings.ctx, settings.gpu_layers, settings.workers, settings.kv, settings.flash_attn
    )


def choose(settings: Settings, machine: Machine) -> Choice:
    """The models to serve; asks the person only on a terminal and without `--auto`."""
    from swarm.models.catalogue import load_catalogue

    known = Known(scan_models(settings.models), load_catalogue(settings.models / "cards"))
    if settings.model:
        return named_models(settings.model, known, machine, _bring)
    choice = recommended(known, machine, folder=str(settings.models))
    if choice.models[0].id == BUNDLED_ID and (better := suggestion(known, machine)):
        choice = replace(choice, reason=f"{choice.reason}; {better}")
    if settings.auto or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return choice
    return ask_person(choice, known.found, machine.snapshot)


def plans_of(choice: Choice, machine: Machine) -> "list[Plan]":
    """How each of the models will run; they share the machine evenly."""
    shared = replace(machine, wishes=replace(machine.wishes, models=len(choice.models)))
    return [plan_of(model, shared) for model in choice.models]


def _bring(wanted: "Wanted") -> Path:
    """From the hub, or from its cache: the library is imported when it is needed."""
    from swarm.models.download import bring, hub_of

    return bring(wanted, hub_of(environment()))


def ask_person(choice: Choice, found: Sequence[LocalModel], snapshot: "Snapshot") -> Choice:
    """Show what there is and let the person choose; Enter takes the recommended model."""
    from hardware.snapshot import summary

    print("\n".join(["Hardware", *(f"  {line}" for line in summary(snapshot)), "Models"]))
    best = choice.models[0]
    others = [model for model in (*found, bundled_model()) if model != best]
    candidates = [best, *others]
    for number, model in enumerate(candidates, 1):
        mark = f"  <- recommended: {choice.reason}" if model == best else ""
        print(f"  {number}  {model.id} ({_gib(model.size_bytes)}){mark}")
    while True:
        answer = input("Model [1]: ").strip() or "1"
        if answer.isdecimal() and 1 <= int(answer) <= len(candidates):
            chosen = candidates[int(answer) - 1]
            return choice if chosen == best else Choice((chosen,), "chosen by you")
        print(f"  a number from 1 to {len(candidates)}, please")


async def serve(
    settings: Settings, snapshot: "Snapshot", choice: Choice, plans: "list[Plan]"
) -> None:
    """Serve the chosen models until a signal, then end in order."""
    from api.app import make_app
    from api.server import ClientServer, PortInUseError
    from guard import Door
    from swarm.pool import Pool, ServedModel

    engines = {
        model.id: make_engine(settings, snapshot, model, plan)
        for model, plan in zip(choice.models, plans, strict=True)
    }
    now = int(time.time())
    pool = Pool(
        [ServedModel(name, engine, now) for name, engine in engines.items()],
        max_requests=settings.max_requests,
        usual_workers=plans[0].workers,
    )
    door = Door(settings.port, names=door_names(settings.host))
    try:
        async with ClientServer(
            make_app(pool, door), host=settings.host, port=settings.port
        ) as server:
            await _serve_until_signal(
                settings,
                first_screen(snapshot, choice, plans, server_url(settings)),
                pool,
                server,
                list(engines.values()),
            )
    except PortInUseError as error:
        raise ConfigurationError(
            f"{error}{_holder(settings.port)}; choose another with --port N"
        ) from error


async def _serve_until_signal(
    settings: Settings,
    screen: str,
    pool: "Pool",
    server: "ClientServer",
    engines: "list[EngineProcess]",
) -> None:
    signals = _Signals()
    _say(settings, screen)
    loading = asyncio.create_task(_load(settings, engines, server_url(settings)))
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


async def _load(settings: Settings, engines: "list[EngineProcess]", base_url: str) -> None:
    from api.welcome import connect_lines

    for engine in engines:
        await engine.start()
    _say(settings, connect_lines(base_url, engines[0].info.context_tokens))


def make_engine(
    settings: Settings, snapshot: "Snapshot", model: LocalModel, plan: "Plan"
) -> "EngineProcess":
    """The engine of a model as planned, not yet started."""
    from swarm.engines.llama.options import MAX_SEQUENCES, LlamaOptions
    from swarm.engines.process import EngineProcess

    options = LlamaOptions(
        path=model.path,
        context_tokens=plan.context_tokens,
        cells=plan.cells,
        memory_bytes=plan.cache_bytes,
        sequences=max(settings.workers or 0, MAX_SEQUENCES),
        threads=settings.threads or _threads(snapshot, model),
        gpu_layers=-1 if plan.offloaded else sum(plan.gpu_layers),
        kv_type=settings.kv,
        flash_attention=settings.flash_attn,
        sampling=model.sampling,
    )
    chosen = {**ENGINE_ENVIRONMENT, **environment()}
    return EngineProcess(factory=_ENGINE, options=options, name=model.id, environment=chosen)


def _threads(snapshot: "Snapshot", model: LocalModel) -> int:
    """Physical cores; but a tiny model's threads would wait for each other most of the time.

    Beside one busy process a tiny model ran 24 times as fast with one thread as with two.
    """
    if model.size_bytes < _TINY_BYTES:
        return 1
    return max(1, min(snapshot.usable_cores, snapshot.physical_cores))


def first_screen(
    snapshot: "Snapshot", choice: Choice, plans: "Sequence[Plan]", base_url: str
) -> str:
    """Hardware, model and endpoint; how to connect follows when the model is loaded."""
    from api.welcome import SMALL_MODEL_NOTE, endpoint_lines
    from hardware.snapshot import summary

    first, *rest = summary(snapshot)
    lines = ["Local Swarm", f"  hardware   {first}", *(f"             {line}" for line in rest)]
    lines += [endpoint_lines(base_url, model.id, choice.reason) for model in choice.models]
    lines += [f"  WARNING    {warning}" for plan in plans for warning in plan.warnings]
    if choice.models[0].id == BUNDLED_ID:
        lines.append(f"  {SMALL_MODEL_NOTE}")
    return "\n".join(lines)


def door_names(host: str) -> tuple[str, ...]:
    """The names under which clients may call a door that listens on `host`."""
    from guard import LOOPBACK_NAMES

    return tuple(dict.fromkeys((*LOOPBACK_NAMES, _in_url(host).lower())))


class _Signals:
    """The first SIGINT or SIGTERM asks for an orderly end, a second one hurries it."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self._hurry: Callable[[], object] | None = None
        self._loop = loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, self._arrived)
            except NotImplementedError:  # Windows
                signal.signal(number, self._arrived_outside)

    def on_second(self, hurry: Callable[[], object]) -> None:
        """Call `hurry` when a signal arrives from now on."""
        self._hurry = hurry

    def _arrived_outside(self, _number: int, _frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._arrived)

    def _arrived(self) -> None:
        self.first.set()
        if self._hurry is not None:
            self._hurry()


async def _cancelled(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _snapshot(environ: Mapping[str, str]) -> "Snapshot":
    from hardware.detect import detect

    return detect(environ)


def _check_host(host: str) -> None:
    """Beyond loopback clients would need keys."""
    if host.lower() == "localhost":
        return
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return
    raise ConfigurationError(
        f"--host {host}: only this machine itself is served, under 127.0.0.1, ::1 or localhost; "
        "other machines would need a key, which cannot be set yet"
    )


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
    logging.basicConfig(
        level=logging.WARNING if settings.quiet else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
    )
    if settings.debug:
        for ours in ("api", "swarm"):
            logging.getLogger(ours).setLevel(logging.DEBUG)


def _say(settings: Settings, text: str) -> None:
    if not settings.quiet:
        print(text, flush=True)


def server_url(settings: Settings) -> str:
    """What clients take as their base URL."""
    return f"http://{_in_url(settings.host)}:{settings.port}/v1"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _gib(count: int) -> str:
    return f"{count / (1 << 30):.2f} GiB"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
