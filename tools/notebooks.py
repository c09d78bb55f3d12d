"""Run the notebooks in a Jupyter kernel, and check that what is committed is what they make.

    python -m tools.notebooks run [PATH...]      execute, and store the outputs
    python -m tools.notebooks check [PATH...]    execute, and compare with the stored outputs
    python -m tools.notebooks readme [--check]   README.md from nbs/index.ipynb
    python -m tools.notebooks export --check     fasthtml_ws/ is what the notebooks export
    python -m tools.notebooks clean --check      nbdev-clean would change nothing

A PATH is a notebook or a folder; without one, all of nbs/. A cell whose output varies says `#| output: false` and stores none; all other
stored outputs equal those of a fresh run. `#| eval: false` cells are not executed and keep what they store.
"""
import argparse
import asyncio
import difflib
import filecmp
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from fastcore.nbio import does_cell_eval, fm_default_eval, nb_frontmatter, read_nb, write_nb
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbdev.clean import clean_nb

from tools.readme import make_readme

root = Path(__file__).resolve().parent.parent
nbs = root/'nbs'
_address = re.compile(r'\bat 0x[0-9a-fA-F]{6,}')
_colour = re.compile(r'\x1b\[[0-9;]*m')
_alarm = re.compile(r'Task exception was never retrieved|Exception ignored in|Exception in thread|was never awaited')

_last = 'import asyncio, gc\nawait asyncio.sleep(0)\n_ = gc.collect()' # has forgotten tasks say how they failed


def find_notebooks(
    paths:list[str], # Notebooks and folders; empty for all of nbs/
)->list[Path]: # Notebooks, in order of their paths
    "The notebooks that `paths` name"
    res = []
    for p in [Path(o).resolve() for o in paths] or [nbs]:
        if not p.exists(): raise SystemExit(f'{p}: no such file or folder')
        found = [p] if p.is_file() else [o for o in p.rglob('*.ipynb') if not any(d[0] in '._' for d in o.relative_to(p).parts)]
        res += sorted(found)
    return res


class Runner(NotebookClient):
    "Executes the cells of a notebook that nbdev-test would execute"
    coalesce_streams = True

    def set_skipped(self, cells): self.skipped = {c.id for c in cells}

    async def async_execute_cell(self, cell, cell_index, **kwargs):
        if cell.id in self.skipped: return cell
        return await super().async_execute_cell(cell, cell_index, **kwargs)


async def execute(
    path:Path,     # Notebook
    timeout:float, # Seconds that one cell may take
)->dict: # Fresh outputs by cell id, in the form in which they are stored
    "Outputs of a fresh run of the notebook at `path` in a Jupyter kernel whose working folder is the notebook's"
    src, nb = read_nb(path), nbformat.read(path, as_version=4)
    default = fm_default_eval(nb_frontmatter(src))
    runner = Runner(nb, timeout=timeout, kernel_name='python3', resources={'metadata': {'path': str(path.parent)}},
                    extra_arguments=['--log-level=CRITICAL'])
    nb.cells.append(nbformat.v4.new_code_cell(_last, id='after-the-last'))
    runner.set_skipped([c for c in src.cells if not does_cell_eval(c, default)])
    await runner.async_execute()
    clean_nb(nb, clean_ids=False)
    varies = {c.id for c in src.cells if c.directive('output') == 'false'}
    return {c.id: ([] if c.id in varies else c.outputs, c.outputs) for c in nb.cells if c.cell_type == 'code'}


def text(o): return ''.join(o) if isinstance(o, list) else str(o)


def shown(
    outputs:list, # Outputs of a cell
)->str: # One text, the same for outputs that show the same
    "What a reader sees of `outputs`: all text exactly, images by their kind"
    res = []
    for o in outputs:
        if o['output_type'] == 'stream': res.append(f"[{o['name']}]\n{text(o['text'])}")
        elif o['output_type'] == 'error': res.append(f"[error]\n{o['ename']}: {o['evalue']}")
        else: res += [f'[{k}]\n' + ('' if k.startswith('image/') else text(v)) for k, v in sorted(o['data'].items())]
    return '\n'.join(res)


def faults(
    path:Path,  # Notebook
    fresh:dict, # What `execute` returned
    stored:dict|None=None, # Stored outputs by cell id; None: there is nothing to compare with
)->list[str]: # One readable text a fault
    "What is wrong with the outputs of one notebook"
    res = []
    for id, (keep, raw) in fresh.items():
        where, new = f'{path.relative_to(root) if path.is_relative_to(root) else path}, cell {id}', shown(keep)
        if _address.search(new): res.append(f'{where}: shows a memory address; show something that stays the same\n{new}')
        if _alarm.search(shown(raw)): res.append(f'{where}: an exception that nothing handled\n{shown(raw)}')
        if stored is None or shown(stored.get(id, [])) == new: continue
        diff = difflib.unified_diff(shown(stored[id]).splitlines(), new.splitlines(), 'stored', 'fresh', lineterm='')
        res.append(f'{where}: stored output is not that of a fresh run\n' + '\n'.join(diff))
    return res


async def run_one(path:Path, check:bool, timeout:float)->list[str]:
    "Execute one notebook, then compare (`check`) or store its outputs; what went wrong"
    try:
        try: fresh = await execute(path, timeout)
        except RuntimeError as e: # Jupyter looks for free ports, and another kernel may take one of them first
            if 'Kernel died' not in str(e): raise
            fresh = await execute(path, timeout)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as e: return [f'{path}: {_colour.sub("", str(e))}']
    nb = read_nb(path)
    if check: return faults(path, fresh, {c.id: c.get('outputs', []) for c in nb.cells if c.cell_type == 'code'})
    if bad := faults(path, fresh): return bad
    for c in nb.cells:
        if c.cell_type == 'code': c['outputs'] = fresh[c.id][0]
    clean_nb(nb)
    write_nb(nb, path)
    return []


async def run_all(paths:list[Path], check:bool, timeout:float, jobs:int)->list[str]:
    "Execute notebooks, `jobs` of them at a time"
    gate = asyncio.Semaphore(jobs)
    async def one(p):
        async with gate: bad = await run_one(p, check, timeout)
        print(f"{'FAULT' if bad else 'ok   '} {p}", flush=True)
        return bad
    return [o for bad in await asyncio.gather(*map(one, paths)) for o in bad]


def copy_tree(dest:Path)->Path:
    "A copy at `dest` of what nbdev needs of the project"
    for o in ['nbs', 'fasthtml_ws']:
        shutil.copytree(root/o, dest/o, symlinks=True, ignore=shutil.ignore_patterns('__pycache__', '.ipynb_checkpoints', '.sesskey'))
    for o in ['pyproject.toml', '_quarto.yml']: shutil.copy2(root/o, dest/o)
    return dest


def nbdev(cmd:str, cwd:Path):
    "Run the command `cmd` of the nbdev in this environment in the folder `cwd`"
    env = {k: v for k, v in os.environ.items() if k != 'IN_TEST'}
    subprocess.run([Path(sys.executable).parent/cmd], cwd=cwd, env=env, check=True)


def differing(a:Path, b:Path, glob:str)->list[str]:
    "Names of files matching `glob` that are not the same below `a` and `b`"
    names = {p.relative_to(d) for d in (a, b) for p in d.rglob(glob) if p.is_file()}
    return sorted(str(n) for n in names if not ((a/n).exists() and (b/n).exists() and filecmp.cmp(a/n, b/n, shallow=False)))


def check_command(cmd:str)->list[str]:
    "What `nbdev-export` or `nbdev-clean` would change in a copy of the tree, as readable texts"
    with tempfile.TemporaryDirectory() as d:
        tmp = copy_tree(Path(d))
        if cmd == 'nbdev-export': # a module that no notebook exports any more would stay, so start without them
            for p in tmp.glob('fasthtml_ws/**/*.py'):
                if p.name != '__init__.py': p.unlink()
        nbdev(cmd, tmp)
        changed = differing(root/'fasthtml_ws', tmp/'fasthtml_ws', '*.py') if cmd == 'nbdev-export' else differing(nbs, tmp/'nbs', '*.ipynb')
    return [f'{o}: {cmd} would change it' for o in changed]


def readme(check:bool)->list[str]:
    "Write README.md, or only compare it"
    old, new = root/'README.md', make_readme(nbs/'index.ipynb')
    if not check: old.write_text(new, encoding='utf-8')
    elif not old.exists() or old.read_text(encoding='utf-8') != new:
        return ['README.md is not what nbs/index.ipynb makes: run `python -m tools.notebooks readme`']
    return []


def main(argv:list[str]|None=None):
    "Command line"
    p = argparse.ArgumentParser(prog='python -m tools.notebooks', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('command', choices=['run', 'check', 'readme', 'export', 'clean'])
    p.add_argument('paths', nargs='*')
    p.add_argument('--check', action='store_true', help='compare only, and exit 1 on a difference')
    p.add_argument('--timeout', type=float, default=120, help='seconds that one cell may take')
    p.add_argument('--jobs', type=int, default=min(4, os.cpu_count() or 1), help='notebooks at a time')
    a = p.parse_args(argv)
    if a.command == 'readme': bad = readme(a.check)
    elif a.command in ('run', 'check'):
        bad = asyncio.run(run_all(find_notebooks(a.paths), a.check or a.command == 'check', a.timeout, a.jobs))
    elif a.check: bad = check_command(f'nbdev-{a.command}')
    else: bad = nbdev(f'nbdev-{a.command}', root) or []
    for o in bad: print(f'\n{o}', file=sys.stderr)
    if bad: raise SystemExit(1)


if __name__ == '__main__': main()
