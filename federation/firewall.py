"""What a machine's firewall must let through, as the command of its platform. Pure."""

MDNS_PORT = 5353


def firewall_lines(platform: str, peer_port: int) -> tuple[str, ...]:
    """The commands that open the peer door and mDNS on a snapshot's `platform`."""
    match platform.partition(" ")[0].lower():
        case "linux":
            return (
                f"ufw:       sudo ufw allow {peer_port}/tcp && sudo ufw allow {MDNS_PORT}/udp",
                (
                    f"firewalld: sudo firewall-cmd --permanent --add-port={peer_port}/tcp "
                    "--add-service=mdns && sudo firewall-cmd --reload"
                ),
            )
        case "windows":
            return (
                (
                    "as administrator: netsh advfirewall firewall add rule name=local-swarm dir=in "
                    f"action=allow protocol=TCP localport={peer_port}"
                ),
                (
                    "and:              netsh advfirewall firewall add rule name=local-swarm-mdns "
                    f"dir=in action=allow protocol=UDP localport={MDNS_PORT}"
                ),
            )
        case "darwin":
            return ("macOS asks at the first start; allow incoming connections for Python",)
        case _:
            return (f"let TCP port {peer_port} and UDP port {MDNS_PORT} through",)
