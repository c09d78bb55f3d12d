"`python -m bench` lists what can be measured; `python -m bench NAME` measures it and keeps the output in bench/results/."
import argparse, sys

from bench import proofs, record


def main():
    known = proofs()
    p = argparse.ArgumentParser(prog='python -m bench', description=__doc__)
    p.add_argument('name', nargs='?', choices=list(known))
    p.add_argument('--quick', action='store_true', help='one run of the proof, and nothing kept; exit status 1 if it does not hold')
    p.add_argument('--show', action='store_true', help='print what the last run has kept, where it keeps figures')
    p.add_argument('--part', help='of the table: measure this part anew and keep it with the rest')
    args = p.parse_args()
    if not args.name:
        for k,m in known.items(): print(f'{k:10} {m.what}')
        return
    mod = known[args.name]
    if args.show and not hasattr(mod, 'show'): p.error(f'{args.name} keeps its output, not its figures')
    if args.show: mod.show(print)
    elif args.part and hasattr(mod, 'again'): mod.again(args.part)
    elif args.quick:
        r = mod.run(1)
        print(f'{mod.bar}\n{"held  " if r.ok else "FAILED"}  {r.detail}')
        sys.exit(not r.ok)
    else:
        with record(args.name, f'python -m bench {args.name}') as out:
            if hasattr(mod, 'main'): mod.main(out)
            else: out(mod.run(1).detail)


if __name__ == '__main__': main()
