"`python -m bench.peers install` makes the environment of the peers; without a word it says what is there."
import sys

from bench.peers import home, install, peers

if sys.argv[1:] == ['install']: install()
print(home)
for p in peers.values(): print(f'{p.title:28}{p.lacks or "ready"}')
