"""Measurements and long proofs.

A module here that has `what`, `bar` and `run` is a proof: `run(seed)` gives a `Run`. One that has `main` as well prints more when it is measured.
"""
import importlib, os, pkgutil, platform
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

results = Path(__file__).parent/'results'
packages = 'fasthtml-ws python-fasthtml fastcore starlette uvicorn websockets uvloop httptools hypothesis'.split()


class Run(NamedTuple):
    "How one run of a proof went"
    value:float # The number that the bar is about
    ok:bool # Did it hold?
    detail:str # The run in a few words


def proofs()->dict:
    "Name -> module of every proof"
    mods = {m.name: importlib.import_module(f'bench.{m.name}') for m in pkgutil.iter_modules(__path__) if m.name not in ('__main__', 'accept')}
    return {k: m for k,m in mods.items() if hasattr(m, 'run') and hasattr(m, 'bar')}


def _cpu()->str:
    try: lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError: return platform.machine()
    return next((o.partition(':')[2].strip() for o in lines if o.startswith('model name')), platform.machine())


def _version(name:str)->str:
    try: return f'{name} {version(name)}'
    except ImportError: return f'no {name}'


def machine(command:str)->str:
    "What a number is worth nothing without"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    return '\n'.join([f'$ {command}', f'{_cpu()}, {cores} cores; {platform.system()} {platform.machine()}; {platform.python_implementation()} {platform.python_version()}',
                      ', '.join(map(_version, packages))])


@contextmanager
def record(name:str, command:str):
    "Give a `print` whose output is kept in results/NAME.txt as well, below the command and the machine"
    lines = []
    def out(text=''):
        lines.append(str(text))
        print(text, flush=True)
    out(machine(command)); out()
    try: yield out
    finally:
        results.mkdir(exist_ok=True)
        (results/f'{name}.txt').write_text('\n'.join(lines) + '\n')
