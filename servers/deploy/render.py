"""Renders the plan of a kind into files. It decides nothing: what there is to render says `plan.py`."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from servers.deploy.plan import Artifact


def render(artifacts: list[Artifact], out: Path) -> list[Path]:
    """Write every artifact below `out`, with its mode; the files in the order of the plan.

    Raises OSError where the folder can not be written to."""
    # Nothing here is HTML: files of configuration; `plan.py` refuses values that would break out.
    environment = Environment(
        loader=PackageLoader("servers.deploy", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    written: list[Path] = []
    for artifact in artifacts:
        file = out / artifact.path
        file.parent.mkdir(parents=True, exist_ok=True)
        text = artifact.text
        if artifact.template is not None:
            text = environment.get_template(artifact.template).render(artifact.values)
        file.write_text(text, "utf-8")
        file.chmod(artifact.mode)
        written.append(file)
    return written
