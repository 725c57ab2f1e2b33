"""Runs notebooks as a reader would, in a folder of their own, and times them.

  python .ci/run_notebooks.py notebooks/*.ipynb

Needs the extra `notebooks`. With --into=FOLDER what they show is kept there.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def run(path: Path, into: Path | None) -> None:
  """Runs one notebook; raises if a cell does."""
  notebook = nbformat.read(path, as_version=4)
  began = time.monotonic()
  with tempfile.TemporaryDirectory() as folder:
    resources = {'metadata': {'path': folder}}
    NotebookClient(
      notebook, timeout=600, startup_timeout=300, resources=resources
    ).execute()
  pictures = sum(
    'image/png' in output.get('data', {}) or 'text/html' in output['data']
    for cell in notebook.cells
    for output in cell.get('outputs', ())
    if 'data' in output
  )
  if not pictures:
    sys.exit(f'{path.name} shows no picture')
  seconds = time.monotonic() - began
  print(f'{path.name}: {seconds:.0f} s, {pictures} pictures', flush=True)
  if into:
    nbformat.write(notebook, into / path.name)


def main() -> None:
  parser = argparse.ArgumentParser()
  parser.add_argument('paths', type=Path, nargs='+')
  parser.add_argument('--into', type=Path)
  arguments = parser.parse_args()
  for path in arguments.paths:
    run(path, arguments.into)


if __name__ == '__main__':
  main()
