"""`capibara6 doctor`: diagnoses what runs, what is missing and how to get it. It changes nothing."""

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Iterator

import httpx
import psutil
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from servers.commands.embeddings import embedder_findings
from servers.commands.finding import Finding
from servers.commands.messages import message
from servers.commands.remote_servers import remote_server_findings
from servers.local.services import Service, planned_services
from tools.settings import Language, Settings

GIB = 2**30


def diagnose(settings: Settings) -> list[Finding]:
    """Every finding, services first."""
    es = settings.language == "es"
    services = planned_services(settings)
    states = [(service, service.healthy()) for service in services]
    return [
        *_services(states, es),
        _gpu(es),
        _vllm(settings, es),
        *_models(settings, es),
        _ollama(settings, es),
        *embedder_findings(settings, _key(settings)),
        *remote_server_findings(settings),
        _speech(settings, es),
        _space(settings, es),
    ]


def print_report(settings: Settings, console: Console, *, as_json: bool) -> bool:
    """Print the findings; True when nothing is broken."""
    findings = diagnose(settings)
    if as_json:
        console.print_json(json.dumps([finding.__dict__ for finding in findings]))
    else:
        console.print(_table(findings, settings.language))
    return all(finding.ok is not False for finding in findings)


def _table(findings: list[Finding], language: Language) -> Table:
    view = Table(box=None, pad_edge=False)
    view.add_column("")
    for key in ("part", "found", "how"):
        view.add_column(message(key, language), overflow="fold")
    signs = {True: "[green]✓[/]", None: "[yellow]·[/]", False: "[red]✗[/]"}
    for finding in findings:
        view.add_row(signs[finding.ok], finding.part, escape(finding.found), escape(finding.how))
    return view


def _services(states: list[tuple[Service, bool]], es: bool) -> Iterator[Finding]:
    if not any(well for _, well in states):
        yield Finding("capibara6", None, "parado" if es else "stopped", "capibara6 up")
        return
    for service, well in states:
        if well:
            yield Finding(service.name, True, service.url)
        else:
            yield Finding(
                service.name, False, "no responde" if es else "does not answer", _log_hint(service, es)
            )


def _log_hint(service: Service, es: bool) -> str:
    return f"{'mira' if es else 'see'} .capibara6/logs/{service.name}.log"


def _gpu(es: bool) -> Finding:
    tool = shutil.which("nvidia-smi")
    if tool is not None:
        query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=False)
        if answer.returncode == 0:
            return Finding("GPU", True, answer.stdout.strip())
    how = (
        "sin GPU, vLLM sirve modelos pequeños en CPU; o usa Ollama"
        if es
        else "without a GPU vLLM serves small models on the CPU; or use Ollama"
    )
    return Finding("GPU", None, "ninguna NVIDIA" if es else "no NVIDIA GPU", how)


def _vllm(settings: Settings, es: bool) -> Finding:
    python = settings.pool.vllm_python
    if python.exists():
        return Finding("vLLM", True, str(python))
    return Finding("vLLM", None, "sin instalar" if es else "not installed", "make vllm")


def _models(settings: Settings, es: bool) -> Iterator[Finding]:
    """What the running pool says of each model, so that availability is decided in one place."""
    try:
        rows = httpx.get(f"{settings.pool_url}/v1/models", timeout=3, trust_env=False, headers=_key(settings))
        models = rows.raise_for_status().json()["data"]
    except (httpx.HTTPError, ValueError, KeyError):
        yield Finding("models", None, message("not_running", settings.language))
        return
    for model in models:
        if model.get("available"):
            yield Finding(model["id"], True, f"{model.get('status', '')} · {model.get('domain', '')}")
        else:
            reason = str(model.get("reason", ""))
            # The pool knows what is missing; a model without a source on the hub has nothing to pull.
            steps = ("make vllm", f"capibara6 models pull {model['id']}")
            yield Finding(model["id"], None, reason, " && ".join(step for step in steps if step in reason))


def _key(settings: Settings) -> dict[str, str]:
    return {"x-api-key": settings.api_key.get_secret_value()} if settings.api_key else {}


def _ollama(settings: Settings, es: bool) -> Finding:
    try:
        tags = httpx.get(f"{settings.ollama_url}/api/tags", timeout=1, trust_env=False).json()["models"]
    except (httpx.HTTPError, ValueError, KeyError):
        how = (
            "lo más corto a un modelo real: instala Ollama y `ollama pull phi3:mini`"
            if es
            else "the shortest way to a real model: install Ollama and `ollama pull phi3:mini`"
        )
        silent = "no contesta en" if es else "nobody answers at"
        return Finding("Ollama", None, f"{silent} {settings.ollama_url}", how)
    return Finding("Ollama", True, ", ".join(tag["name"] for tag in tags) or settings.ollama_url)


def _speech(settings: Settings, es: bool) -> Finding:
    """The engines that speak, the recogniser, and the targets that bring those which are missing."""
    kokoro = settings.home / "voices" / "kokoro"
    parts = {
        "espeak-ng": (importlib.util.find_spec("espeakng_loader") is not None, ""),
        "Kokoro": (kokoro.is_dir() and any(kokoro.glob("*.onnx")), "make voices"),
        "Coqui": (settings.speech.coqui_python.is_file(), "make tts"),
        "Whisper": (importlib.util.find_spec("faster_whisper") is not None, "make stt"),
    }
    missing = {name: how for name, (there, how) in parts.items() if not there}
    found = ", ".join(name for name in parts if name not in missing)
    if missing:
        found += f"; {'sin' if es else 'without'} {', '.join(missing)}"
    return Finding("TTS", "espeak-ng" not in missing, found, ", ".join(filter(None, missing.values())))


def _space(settings: Settings, es: bool) -> Finding:
    folder = next(
        path for path in (settings.home.absolute(), *settings.home.absolute().parents) if path.exists()
    )
    free, memory = shutil.disk_usage(folder).free / GIB, psutil.virtual_memory().available / GIB
    found = f"{free:.0f} GiB {'de disco' if es else 'of disk'} · {memory:.1f} GiB RAM"
    enough = free > 2 and memory > 2.5
    return Finding(
        "máquina" if es else "machine",
        enough,
        found,
        ""
        if enough
        else ("hacen falta 2 GiB de disco y 2,5 de RAM" if es else "2 GiB of disk, 2.5 of RAM needed"),
    )
