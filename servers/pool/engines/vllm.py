"""How a vLLM engine is started: its command line and its environment."""

from pathlib import Path

from servers.pool.catalog.catalog import ModelSpec
from tools.settings import handed_on

INHERITED = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "HF_HOME", "XDG_CACHE_HOME", "CUDA_HOME",
    "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "OMP_NUM_THREADS",
)  # fmt: skip
"""What an engine may see of the pool's environment; keys and addresses stay out."""
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}


def command(
    spec: ModelSpec, *, python: Path, folder: Path, port: int, nonce: str, need: int, gpu: int | None
) -> list[str]:
    """The program and its arguments. `gpu` is the device's memory in bytes, None on a CPU.

    The nonce is served as a second model name: whoever answers on the port proves by it that it is ours.
    """
    if spec.command:
        known = {
            "python": str(python),
            "port": str(port),
            "model": str(folder),
            "name": spec.id,
            "nonce": nonce,
        }
        return [part.format_map(known) for part in (*spec.command, *spec.args)]
    line = [str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    line += ["--served-model-name", spec.id, nonce, "--host", "127.0.0.1", "--port", str(port)]
    line += ["--kv-cache-memory-bytes", str(spec.kv_bytes)]
    if "--load-format" not in spec.args:
        line += ["--load-format", "safetensors"]
    if gpu is None:
        line += ["--enforce-eager"]
    else:
        # vLLM refuses to start when less than this share of the device is free; others live there too.
        line += ["--gpu-memory-utilization", f"{min(0.95, need / gpu):.3f}"]
    if spec.sleep_level:
        line += ["--enable-sleep-mode"]
    return [*line, *spec.args]


def environment(spec: ModelSpec, key: str) -> dict[str, str]:
    """What the engine's process sees; `key` guards its /v1 paths."""
    developer = {"VLLM_SERVER_DEV_MODE": "1"} if spec.sleep_level else {}
    return {**handed_on(INHERITED), **QUIET, **developer, "VLLM_API_KEY": key, **spec.env}
