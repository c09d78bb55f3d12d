"The page's chat, word for word, under fifty clients that connect and reset while five talk; other seeds in every run."
from bench import Run
from tests.proofs import chat

what = "the page's chat, unchanged, under 50 clients that connect and reset for 10 s while five send"
bar = 'every sender stays connected and sees every message, the app counts exactly those who are there, and nothing is logged; in every run'
more_is_better = True
runs = 3


def run(seed)->Run:
    res = chat.run(10, seed)
    return Run(res.sent, res.ok, str(res))
