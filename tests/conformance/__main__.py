"""Examine the echo routes with the Autobahn|Testsuite.

    python -m tests.conformance install        # once: the suite, pinned, into a folder of its own in the user's cache; it needs Python 2.7
    python -m tests.conformance                # all but the longest cases, under each websocket class of uvicorn that is installed, and ours
    python -m tests.conformance --all          # all cases
    python -m tests.conformance --cases '6.*'  # some

The exit status is 1 if a case fails in an app of ours and does better for plain Starlette under the same class. Where the suite cannot be
had, it says so and the exit status is 0.
"""
import argparse, json, sys
from importlib.metadata import version
from importlib.util import find_spec

from bench import machine
from tests.conformance import Missing, as_json, examine, faults, groups, home, install, logged, refused, remarks, results, suite, table

classes = {'websockets-sansio':'websockets', 'websockets':'websockets', 'wsproto':'wsproto',
           'fasthtml_ws.server:WebSocketProtocol':''} # of uvicorn, and ours for it -> the package that it needs
long = [f'{g}.{i}.{j}' for g,n in ((12,5), (13,7)) for i in range(1, n+1) for j in (*range(7, 11), *range(12, 19)) if (g,i,j) not in ((12,1,10), (12,1,15))]
why_long = ('12.*.7-10, 12.*.12-18 and the same of 13.*, except 12.1.10 and 12.1.15: a thousand compressed messages each of 16 to 128 KiB, for an hour under each '
            'class; those of up to 8 KiB, whole and in pieces, and with these two the largest, are examined')


def runs_of(ws:str, cases:list[str], exclude:list[str]):
    "The control, our route for text, and our route for bytes with the cases that need one"
    control = examine('starlette', ws, cases, exclude)
    yield control
    yield examine('ours', ws, cases, exclude)
    if binary := [k for k,c in control.cases.items() if c.binary]: yield examine('ours, /bytes', ws, binary)


def main(argv=None)->int: # Exit status
    p = argparse.ArgumentParser(prog='python -m tests.conformance', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('step', nargs='?', choices=['install'])
    p.add_argument('--cases', nargs='+', default=['*'], help="numbers, or patterns such as '9.1.*'")
    p.add_argument('--all', action='store_true', help='the longest cases too: an hour for each class')
    p.add_argument('--ws', nargs='+', default=list(classes), help='websocket classes, as uvicorn names them')
    p.add_argument('--record', action='store_true', help=f'keep the outcome in {results.name}')
    a = p.parse_args(argv)
    try:
        if a.step: install()
        versions = suite()
    except Missing as e: print(f'Not examined. {e}'); return 0
    if a.step: print(f'{versions}, in {home}'); return 0
    command = f'python -m tests.conformance{" " if argv or sys.argv[1:] else ""}{" ".join(argv or sys.argv[1:])}'
    about = [*machine(command).splitlines(), f'wsproto {version("wsproto")}' if find_spec('wsproto') else 'no wsproto', versions]
    print('\n'.join(about))
    left_out = '' if a.all or a.cases!=['*'] else why_long
    if left_out: print(f'Left out, --all has them: {left_out}')
    kept,bad = [],0
    for ws in a.ws:
        if (needs := classes.get(ws)) and not find_spec(needs): print(f'\n{ws}: not examined, {needs} is not installed'); continue
        control = None
        for run in runs_of(ws, a.cases, long if left_out else []):
            control = control or run
            print('\n'.join(['', table(run), f'  {len(run.cases)} cases in {run.seconds:.0f} s', *remarks(run, control)]), flush=True)
            for line,n in logged(run.log).items(): print(f'  logged {n} times: {line}')
            bad += len(faults(run, control))
            kept.append(as_json(run, control))
    if any(r['refused'] for r in kept):
        print(f'\n{refused}: the case needs a binary echo, and a route of ours takes text; its connection was closed with that code, as it should be.')
    print(f'\n{bad} cases fail in an app of ours and do better for plain Starlette.')
    if a.record: results.write_text(json.dumps(dict(about=about, left_out=left_out, groups=groups, runs=kept), indent=1) + '\n')
    return 1 if bad else 0


if __name__ == '__main__': sys.exit(main())
