"`python -m bench` lists what can be measured; `python -m bench NAME` measures it and keeps the output in bench/results/."
import argparse

from bench import proofs, record


def main():
    known = proofs()
    p = argparse.ArgumentParser(prog='python -m bench', description=__doc__)
    p.add_argument('name', nargs='?', choices=list(known))
    name = p.parse_args().name
    if not name:
        for k,m in known.items(): print(f'{k:10} {m.what}')
        return
    mod = known[name]
    with record(name, f'python -m bench {name}') as out:
        if hasattr(mod, 'main'): mod.main(out)
        else: out(mod.run(1).detail)


if __name__ == '__main__': main()
