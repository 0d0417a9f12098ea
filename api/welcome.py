"""What a person reads at start: what is served, where, and how clients connect. Pure text."""

from collections.abc import Sequence
from pathlib import Path

from api.entrance import Entrance
from api.keyring import Found
from api.listening import LOOPBACK
from api.shell import asking_line, environment_line, quoted
from federation.firewall import MDNS_PORT, firewall_lines
from hardware.snapshot import Snapshot, summary
from settings import Settings
from swarm.models.choose import Choice
from swarm.models.fit import Plan
from swarm.models.local import BUNDLED_ID

SMALL_MODEL_NOTE = (
    "swarm-nano is the small bundled model: it shows that everything works, not what a model\n"
    "  can do."
)

_ANOTHER_NOTE = " Another is one flag away:  python main.py --auto --model NAME"

_USUAL_ADDRESSES = (LOOPBACK, "localhost")

KEYLESS_WARNING = "--keyless: everybody on this network asks this node without a key"


def first_screen(
    settings: Settings,
    snapshot: Snapshot,
    choice: Choice,
    entrance: Entrance,
    plans: Sequence[Plan | None] = (),
    notes: Sequence[str] = (),
) -> str:
    """Hardware, model, endpoint and peers; how to connect follows when the model is loaded."""
    first, *rest = summary(snapshot)
    lines = ["Local Swarm", f"  hardware   {first}", *(f"             {line}" for line in rest)]
    lines += [f"  note       {note}" for note in notes]
    lines.append(f"  model      {choice.models[0].id}: {choice.reason}")
    if later := [model.id for model in (*choice.models[1:], *choice.others)]:
        lines.append(f"  on request {', '.join(later)}")
    lines += endpoint_lines(entrance)
    lines += [f"  WARNING    {warning}" for plan in plans if plan for warning in plan.warnings]
    if choice.models[0].id == BUNDLED_ID:
        lines.append(f"  {SMALL_MODEL_NOTE}{'' if choice.better else _ANOTHER_NOTE}")
    if settings.federation:
        lines.append(peer_lines(snapshot.platform, settings.peer_port, open_to_all=settings.open))
    return "\n".join(lines)


def start_warning(entrance: Entrance) -> str | None:
    """What the log says of the keys at the start, for those who do not see the first screen."""
    found = entrance.found
    news = found.fresh or not found.keys
    return key_warning(found, beyond=entrance.where.beyond) if news else None


def key_warning(found: Found, *, beyond: bool) -> str | None:
    """Where the key is that clients must show, if the owner has set none, or that there is none.

    Names no key: this is for the log.
    """
    if not beyond:
        return None
    if not found.keys:
        return KEYLESS_WARNING
    if found.file is None:
        return None
    made = "was made just now and is" if found.fresh else "is"
    return f"clients need the key that {made} in {found.file}"


def endpoint_lines(entrance: Entrance) -> list[str]:
    """Where the endpoint is, who can reach it, and the key. A made key is shown once."""
    found = entrance.found
    keyed = "with a key" if found.keys else "WITHOUT A KEY (--keyless)"
    if not entrance.where.beyond:
        keyed = ", with a key" if found.keys else ""
        return [f"  endpoint   {entrance.base_url} (open to this machine only{keyed})"]
    lines = [f"  endpoint   {entrance.base_url} (open to the network, {keyed})"]
    if found.fresh and found.file:
        [key] = found.keys.values()
        lines.append(f"  key        {key.key.get_secret_value()}")
        lines.append(f"             shown this once; it is kept in {found.file}")
    elif found.file:
        lines.append(f"  key        in {found.file}")
    return lines


def peer_lines(platform: str, peer_port: int, *, open_to_all: bool) -> str:
    """How the next machine becomes one with this one."""
    join = "python main.py --auto, then type what one of them shows"
    opened = firewall_lines(platform, peer_port)
    return "\n".join(
        (
            f"  peers      next machine: {'python main.py --auto --open' if open_to_all else join}",
            f"             TCP {peer_port} and UDP {MDNS_PORT} must come through a firewall:",
            *(f"               {line}" for line in opened),
        )
    )


def connect_lines(entrance: Entrance, platform: str, state: Path) -> str:
    """How to connect, when the model is loaded: a line to copy for every client."""
    url, found = entrance.base_url, entrance.found
    here = " ".join(("--opencode", *_flags_of(entrance, platform, state)))
    key = found.file or ("YOUR_KEY" if found.keys else "none")
    return "\n".join(
        [
            f"  any client {environment_line(platform, url, key)}",
            f"  curl       {asking_line(platform, url, keyed=bool(found.keys))}",
            f"  OpenCode   python main.py {here}   (here; `--opencode global`: everywhere)",
        ]
    )


def _flags_of(entrance: Entrance, platform: str, state: Path) -> list[str]:
    """By which flags a command on this machine finds this node; those that are usual are left out.

    A door that is open to others is open on 127.0.0.1 too.
    """
    flags: list[str] = []
    if not entrance.where.beyond and entrance.where.address.lower() not in _USUAL_ADDRESSES:
        flags += ["--host", entrance.where.address]
    if entrance.door.port != _usual("port"):
        flags += ["--port", str(entrance.door.port)]
    if state != _usual("state"):
        flags += ["--state", quoted(platform, str(state))]
    return flags


def _usual(setting: str) -> object:
    return Settings.model_fields[setting].get_default(call_default_factory=True)
