"""Where things lie on the machines that are deployed to, and on which ports what is not ours listens."""

from dataclasses import dataclass
from pathlib import Path

N8N_PORT = 5678
STUDIO_PORT = 7001
PROMETHEUS_PORT = 9090
GRAFANA_PORT = 3000
"""Each as its own documentation has it."""

STATE = Path("/var/lib/capibara6")
"""systemd's StateDirectory=."""


@dataclass(frozen=True)
class Target:
    """`prefix` is the clone with its `.venv`, `etc` holds settings and secrets, `tls` the certificate
    (`fullchain.pem`, `privkey.pem`); `http`, `https` and `flows` are the proxy's ports."""

    prefix: Path = Path("/opt/capibara6")
    etc: Path = Path("/etc/capibara6")
    tls: Path = Path("/etc/capibara6/tls")
    user: str = "capibara6"
    http: int = 80
    https: int = 443
    flows: int = 4243

    def home(self, home: Path) -> Path:
        """The data directory there: in place of a relative one, the one that systemd makes."""
        return home if home.is_absolute() else STATE
