"""`python -m ui`: the UI alone."""

from tools.settings import load_settings
from ui.main import run

run(load_settings())
