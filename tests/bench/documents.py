"""Documents: facts found and pages a second, ours beside kreuzberg, markitdown and docling over the same real
files; and the memory that a PDF of a thousand pages takes.

    python -m tests.bench.documents --data FOLDER [--beside kreuzberg,markitdown,docling]

FOLDER holds `manifest.jsonl` (file, facts, absent) and `score.py` (how a fact is found in passages). Each
reader beside ours is installed into an environment that goes away with the run, and reads every file in one
process that is warm; one that does not install is said. Ours is measured twice: in one process too, and as
ingestion does it, in a sandbox of its own for each file.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pypdfium2

from flows.ingestion.loader import read
from flows.ingestion.parsers.parts import Malformed
from flows.ingestion.sandbox import parse
from flows.ingestion.sources import SourceFile
from flows.ingestion.unreadable import Unreadable
from servers.bridge.text.chunking import split
from tests.flows.ingestion.made_files import write_pdf
from tests.flows.ingestion.test_sandbox import peak_of
from tools.schema import Document

PACKAGES = {
    "kreuzberg": "kreuzberg",
    "markitdown": "markitdown[all]",
    "docling": "docling-slim[convert-core,format-office,format-html,format-markdown,format-email]",
}
NOT_READ = {"docling": frozenset({".pdf"})}
"""Kinds that a reader is not asked for, and that do not count for it: docling reads PDF with models that it
fetches at the first use, and its own converter asks for torch, which is gigabytes. Its readers of other kinds
do without either, and are called as that converter calls them."""
LONG_PAGES = 1_000
BESIDE = {
    "docling": """
from importlib import import_module
from pathlib import Path
from docling.datamodel.base_models import InputFormat
from docling.datamodel.document import InputDocument
READERS = {".docx": ("DOCX", "msword", "MsWord"), ".pptx": ("PPTX", "mspowerpoint", "MsPowerpoint"),
           ".xlsx": ("XLSX", "msexcel", "MsExcel"), ".html": ("HTML", "html", "HTML"),
           ".csv": ("CSV", "csv", "Csv"), ".md": ("MD", "md", "Markdown"),
           ".eml": ("EMAIL", "email", "Email"), ".epub": ("EPUB", "epub", "Epub")}
def read(path):
    path = Path(path)
    kind, module, name = READERS[path.suffix]
    reader = getattr(import_module(f"docling.backend.{module}_backend"), f"{name}DocumentBackend")
    given = InputDocument(path_or_stream=path, format=InputFormat[kind], backend=reader, filename=path.name)
    return reader(given, path).convert().export_to_markdown()
""",
    "kreuzberg": """
import kreuzberg
config = kreuzberg.ExtractionConfig(output_format="markdown")
def read(path): return kreuzberg.extract_file_sync(path, config=config).content
""",
    "markitdown": """
from markitdown import MarkItDown
converter = MarkItDown()
def read(path): return converter.convert(path).text_content
""",
}
CHILD = """
import json, logging, sys, time, warnings
warnings.simplefilter("ignore"); logging.disable(50)
for path in json.load(sys.stdin):
    start = time.perf_counter()
    try: text = read(path)
    except Exception as exc: text = ""
    print(json.dumps({"path": path, "text": text, "seconds": time.perf_counter() - start}), flush=True)
"""

Texts = dict[str, tuple[list[str], float]]
"""By file: the texts that were read in it, and the seconds that it took."""


def in_one_process(path: Path) -> list[str]:
    """What our parsers read, without the sandbox."""
    try:
        return [part["text"] for part in parse("", path.suffix.lower(), path.read_bytes()) if "text" in part]
    except (Malformed, Unreadable, ValueError):
        return []


def in_sandboxes(path: Path) -> list[str]:
    """What ingestion reads."""
    try:
        found = list(read(SourceFile(path.name, path, path.stat().st_size)))
    except Unreadable:
        return []
    return [item.text for _, item in found if isinstance(item, Document)]


def ours(reader: Callable[[Path], list[str]], paths: list[Path]) -> Texts:
    found: Texts = {}
    for path in paths:
        start = time.perf_counter()
        texts = reader(path)
        found[str(path)] = texts, time.perf_counter() - start
    return found


def beside(name: str, paths: list[Path]) -> Texts | None:
    """The same by another library; None, and a line that says why, when it can not be had here."""
    uv = str(Path(sys.executable).with_name("uv"))
    with tempfile.TemporaryDirectory(prefix="c6-") as folder:
        python = f"{folder}/bin/python"
        try:
            for command in (["venv", "--python", sys.executable, folder],
                            ["pip", "install", "--python", python, PACKAGES[name]]):  # fmt: skip
                subprocess.run([uv, *command, "-q"], check=True, capture_output=True, text=True)
            done = subprocess.run(
                [python, "-c", BESIDE[name] + CHILD],
                input=json.dumps([str(path) for path in paths]),
                capture_output=True,
                text=True,
                check=True,
            )
        except subprocess.CalledProcessError as exc:
            print(f"{name:18} not here: {exc.stderr.strip().splitlines()[-1:]}")
            return None
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {row["path"]: ([row["text"]], row["seconds"]) for row in rows}


def long_pdf(pages: int) -> bytes:
    """Pages that are full of lines, as a book's are."""
    line = "El contrato {} dura dos meses y se prorroga si nadie lo denuncia antes de acabar."
    return write_pdf(
        [[(40, 780 - 14 * row, line.format(60 * page + row)) for row in range(50)] for page in range(pages)]
    )


def sandboxed(path: Path) -> tuple[int, float, int]:
    """Exit status, seconds, and the most memory that was ever resident, in megabytes, of the sandbox."""
    start = time.perf_counter()
    status, megabytes = peak_of(["-m", "flows.ingestion.sandbox", str(path)])
    return status, time.perf_counter() - start, megabytes


def pages_of(path: Path) -> int:
    """A PDF's pages; another file counts as one."""
    if path.suffix != ".pdf":
        return 1
    try:
        return len(pypdfium2.PdfDocument(path))
    except pypdfium2.PdfiumError:
        return 1


def report(
    name: str, rows: list[dict[str, Any]], found: Texts, folder: Path, score: Callable[..., Any]
) -> None:
    facts: dict[str, list[bool]] = {}
    wrong, pages, seconds = 0, 0, 0.0
    for row in rows:
        path = folder / row["file"]
        texts, taken = found.get(str(path), ([], 0.0))
        passages = [f"{chunk.heading}\n{chunk.text}" for text in texts for chunk in split(text)]
        seen = score(row, passages)
        facts.setdefault(row["kind"], []).extend(here for _, here in seen["facts"])
        wrong += sum(here for _, here in seen["absent"])
        pages, seconds = pages + pages_of(path), seconds + taken
    every = [here for kind in facts.values() for here in kind]
    kinds = " ".join(f"{kind} {sum(here)}/{len(here)}" for kind, here in sorted(facts.items()))
    found_share, speed = sum(every) / len(every), pages / seconds
    print(f"{name:18} facts {found_share:.3f}  wrong {wrong:2}  {speed:6.1f} pages/s  {kinds}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--beside", default=",".join(BESIDE), help="names, separated by commas")
    given = arguments.parse_args()
    spec = importlib.util.spec_from_file_location("score", given.data / "score.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lines = (given.data / "manifest.jsonl").read_text("utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["expect"] == "text"]
    paths = [given.data / row["file"] for row in rows]
    in_one_process(paths[0])  # what is imported once is not counted, for nobody
    report("ours", rows, ours(in_one_process, paths), given.data, module.score)
    report("ours, sandboxed", rows, ours(in_sandboxes, paths), given.data, module.score)
    for name in filter(None, given.beside.split(",")):
        without = NOT_READ.get(name, frozenset())
        if found := beside(name, [path for path in paths if path.suffix not in without]):
            asked = [row for row in rows if Path(row["file"]).suffix not in without]
            report(", no ".join([name, *sorted(without)]), asked, found, given.data, module.score)
    with tempfile.TemporaryDirectory(prefix="c6-") as folder:
        path = Path(folder) / "long.pdf"
        path.write_bytes(long_pdf(LONG_PAGES))
        status, seconds, memory = sandboxed(path)
        assert status == 0
        print(
            f"a PDF of {LONG_PAGES} pages: {LONG_PAGES / seconds:.0f} pages/s, at most {memory} MB resident"
        )


if __name__ == "__main__":
    main()
