"`python -m bench.accept NAME` runs one proof several times, prints every run, worst first, and exits with 1 if one is past the bar."
import argparse, sys

from bench import proofs, record


def accept(name:str, mod, runs:int)->bool:
    "Did every run hold? Whatever the proof raises is a run that did not"
    command = f'python -m bench.accept {name}' + (f' --runs {runs}' if runs != getattr(mod, 'runs', 5) else '')
    with record(f'accept-{name}', command) as out:
        out(f'{mod.what}\nbar: {mod.bar}\n')
        done = []
        for seed in range(1, runs+1):
            print(f'run {seed} of {runs} ...', file=sys.stderr, flush=True)
            done.append((seed, mod.run(seed)))
        done.sort(key=lambda o: (o[1].ok, o[1].value if mod.more_is_better else -o[1].value))
        for seed,r in done: out(f'{"held  " if r.ok else "FAILED"}  run {seed}: {r.detail}')
        held = sum(r.ok for _,r in done)
        out(f'\n{held} of {runs} runs held')
    return held == runs


def main():
    known = proofs()
    p = argparse.ArgumentParser(prog='python -m bench.accept', description=__doc__)
    p.add_argument('name', choices=list(known))
    p.add_argument('--runs', type=int, help='how often; each proof has its own default')
    args = p.parse_args()
    mod = known[args.name]
    sys.exit(0 if accept(args.name, mod, args.runs or getattr(mod, 'runs', 5)) else 1)


if __name__ == '__main__': main()
