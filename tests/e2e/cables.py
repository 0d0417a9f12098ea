"""What a switch drops, as rules for nft. Pure: it knows hosts by their numbers only."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Faults:
    """What the switch drops, by the hosts' numbers."""

    cut: set[int] = field(default_factory=set)
    pairs: set[tuple[int, int]] = field(default_factory=set)
    loss: dict[int, int] = field(default_factory=dict)

    @property
    def hosts(self) -> set[int]:
        """Those that anything befalls."""
        return {*self.cut, *self.loss, *(host for pair in self.pairs for host in pair)}

    def forget(self, host: int) -> None:
        self.cut.discard(host)
        self.pairs = {pair for pair in self.pairs if host not in pair}
        self.loss.pop(host, None)

    def ruleset(self) -> str:
        """For nft, in place of whatever it had before; the bridge itself is the router."""
        chains = (
            f"chain {hook} {{ type filter hook {hook} priority 0; policy accept;\n"
            + "".join(f"{rule} drop\n" for rule in self._rules(hook))
            + "}\n"
            for hook in ("input", "forward", "output")
        )
        table = "table bridge faults"
        return f"add {table}\ndelete {table}\n{table} {{\n{''.join(chains)}}}\n"

    def _rules(self, hook: str) -> Iterator[str]:
        ways = {"input": ["iifname"], "output": ["oifname"]}.get(hook, ["iifname", "oifname"])
        for way in ways:
            yield from (f"{way} h{host}" for host in sorted(self.cut))
            for host, percent in sorted(self.loss.items()):
                yield f"{way} h{host} numgen random mod 100 < {percent}"
        if hook == "forward":
            for one, other in sorted(self.pairs):
                yield f"iifname h{one} oifname h{other}"
                yield f"iifname h{other} oifname h{one}"
