"Handlers whose annotations are texts; a module of its own, because the `__future__` import is for all of one."
from __future__ import annotations

import typing
from dataclasses import dataclass
from datetime import date
from typing import TypedDict

if typing.TYPE_CHECKING: from nowhere import Nobody, Socket


@dataclass
class Entry: title:str; day:date|None = None; sub:Entry|None = None
class Row(TypedDict): n:int

class Room:
    title:date
    def on_msg(self, msg:str, n:int = 1): return msg, n
    def __call__(self, msg:str, title:int): return msg, title

def fields(n:int, day:date|None, tags:list[str], send, session:dict): return n, day, tags
def entry(e:Entry): return e
def row(r:Row): return r
async def reserved(ws, auth:str, state:str, data:dict): return auth, state, data
def unresolvable(n:int, who:Nobody): return n
def unseen(ws:Socket, send:Socket, msg:str): return msg

def local():
    @dataclass
    class Here: n:int
    def on_msg(msg:str, here:Here): return here
    return on_msg, Here
