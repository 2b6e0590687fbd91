"""Perplexity of the bundled model as a command: starts Python, loads PyTorch and the weights, and runs windows that are tokens already."""
import os
import subprocess
import sys
import time

from serve import serve, settings

here = os.path.dirname(os.path.abspath(__file__))
model = os.path.join(here, "../../../examples/bundled-model/model")


def run():
    while not os.path.exists(settings["windows"]):
        time.sleep(0.1)
    subprocess.run([sys.executable, os.path.join(here, "evaluate_bundled.py"), model, settings["windows"]], check=True)


serve(run)
