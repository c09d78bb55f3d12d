"One client that never reads and one that reads 1 KB a second among 100 healthy ones, under plain uvicorn in a process of its own."
from bench import Run
from tests.proofs import stalled

what = '1,500 publications of 20 KB at 25 a second to 100 healthy clients, one that never reads and one that reads 1 KB/s; then the same crowd on the page\'s chat'
bar = 'every healthy client gets everything in order, p99 under 250 ms, memory +64 MB at most; the two are ended and gone from the server; in every run'
more_is_better = False
runs = 3


def run(seed)->Run:
    topic,page = stalled.run(),stalled.run_page()
    return Run(topic.p99, topic.ok and page.ok, f'topic: {topic}\n        page: {page}')
