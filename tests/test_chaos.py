"The page's chat, unchanged, under clients that come and go without manners."
import os

from tests.kit import *
from tests.proofs import chat

seconds = float(os.getenv('FASTHTML_WS_CHAOS', 10))

def test_page_chat_under_churn(stock):
    res = chat.run(seconds, 1, 'fasthtml.common' if stock else 'fasthtml_ws.common')
    print(res)
    assert not res.problems
    assert res.users==res.stayed==12 and res.left==0
    assert res.sent>=5*seconds and res.lists>=5*res.sent*.9 and sum(res.acts.values())>=50*seconds/10
