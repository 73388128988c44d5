"""Plots about things: losing, sharing, making, breaking, swapping, carrying, growing.

Source: ours.
"""

from __future__ import annotations

from gptcore.tales import lexicon
from gptcore.tales.stage import Stage
from gptcore.tales.world import Thing


def lost(s: Stage) -> None:
    """A treasured thing is left behind; memory, a friend or nobody brings it back."""
    o, p, r, rng = s.thing(), s.place(), s.place(), s.rng
    s.do("treasure", o=o)
    s.do("outing", o=o, p=p)
    s.look_round(p)
    s.do("forget", o=o, p=p)
    s.paragraph()
    s.do("miss", o=o)
    s.pang(0.5, "worried")
    s.maybe(0.7, "search", o=o, r=r)
    turn = rng.random()
    if turn < 0.35:
        s.friend()
        s.do("askhelp", o=o)
        s.do("find", o=o, p=p)
        s.end(rng.pick(("happy", "relieved")))
    elif turn < 0.65:
        s.friend()
        s.do("found_by", o=o, p=p)
        s.do("bring", o=o)
        s.end(rng.pick(("happy", "relieved")))
    elif turn < 0.82:
        s.do("notfound", o=o, p=p)
        s.end("sad")
    else:
        s.do("notfound", o=o, p=p)
        s.friend()
        s.do("comfort", o=o)
        s.end("wistful")


def shared_meal(s: Stage) -> None:
    """There is one good thing to eat, and somebody comes by hungry."""
    f, p, rng = s.food(), s.place(), s.rng
    s.do("picnic", f=f, p=p)
    s.look_round(p)
    s.friend()
    s.do("hungry", p=p)
    s.paragraph()
    if rng.chance(0.6):
        s.do("halve", f=f)
        if rng.chance(0.7):
            s.paragraph()
            s.do("stumble")
            s.do("carryhome")
        s.end(rng.pick(("happy", "happy", "proud")))
        return
    s.do("refuse", f=f)
    s.paragraph()
    s.do("stumble")
    s.do("noonecomes")
    if rng.chance(0.6):
        s.do("saylate")
        s.end("relieved", "mixed")
    else:
        s.end("sorry")


def handmade(s: Stage) -> None:
    """A present is made by hand, fails, and is made again."""
    x, rng = s.frame(lexicon.CRAFTS), s.rng
    o = Thing(x.key)
    s.elder()
    s.do("want_make", x=x)
    s.do("gather", x=x)
    s.paragraph()
    s.do("tryfail", x=x)
    if rng.chance(0.8):
        if rng.chance(0.75):
            s.friend()
            s.do("advice", x=x)
        s.do("trysucceed", x=x)
        s.paragraph()
        s.do("present", o=o)
        s.end(rng.pick(("proud", "happy")))
    else:
        s.do("giveup", x=x)
        s.end(rng.pick(("sad", "wistful")))


def broken(s: Stage) -> None:
    """Somebody else's precious thing is broken in secret."""
    rng, o = s.rng, s.thing()
    s.elder()
    s.do("treasure_c", o=o)
    s.do("borrow", o=o)
    s.do("smash", o=o)
    s.pang(0.6, "worried")
    s.paragraph()
    if rng.chance(0.7):
        s.do("hide", o=o)
        s.do("suspect", o=o)
        if rng.chance(0.25):
            s.do("foundout", o=o)
            s.end("sorry")
            return
    s.do("ownup", o=o)
    if rng.chance(0.65):
        s.do("mendtogether", o=o)
        s.end("relieved")
    else:
        s.do("cantmend", o=o)
        s.end("wistful")


def swap(s: Stage) -> None:
    """Two things change hands."""
    o, q, rng = s.thing(), s.thing(), s.rng
    s.do("treasure", o=o)
    s.friend()
    s.paragraph()
    s.do("swap", o=o, q=q)
    turn = rng.random()
    if turn < 0.35:
        s.do("gladswap", o=o, q=q)
        s.end("happy")
        return
    s.do("missold", o=o, q=q)
    s.paragraph()
    if turn < 0.75:
        s.do("bothmiss", o=o, q=q)
        s.end(rng.pick(("happy", "relieved")))
    else:
        s.do("toolate", o=o)
        s.end("sad")


def envy(s: Stage) -> None:
    """A friend has what the hero wants."""
    o, rng = s.thing(), s.rng
    s.friend()
    s.do("treasure_b", o=o)
    s.do("envysee", o=o)
    s.do("feel", m=lexicon.MOODS["envious"])
    s.paragraph()
    if rng.chance(0.35):
        s.do("lend", o=o)
        s.end("happy")
        return
    s.do("takeit", o=o)
    s.do("guilty", o=o)
    s.paragraph()
    if rng.chance(0.75):
        s.do("giveback", o=o)
        s.end("relieved", "mixed")
    else:
        s.do("toolate_return", o=o)
        s.end("sorry")


def farewell(s: Stage) -> None:
    """A friend moves away."""
    o, p, rng = s.thing(), s.place(), s.rng
    s.do("treasure", o=o)
    s.friend("best friend")
    s.do("leaving")
    s.do("lastday", p=p)
    s.look_round(p)
    s.paragraph()
    s.do("keepsake", o=o)
    s.do("depart")
    s.paragraph()
    if rng.chance(0.6):
        s.do("letter")
        s.end("wistful")
    else:
        s.do("noletter")
        s.end(rng.pick(("sad", "lonely")))


def errand(s: Stage) -> None:
    """Something has to be carried safely to somebody."""
    x, p, rng = s.frame(lexicon.ERRANDS), s.place(True), s.rng
    s.elder()
    s.do("sent", x=x)
    s.do("onway", p=p)
    s.look_round(p)
    s.do("obstacle")
    s.paragraph()
    if rng.chance(0.7):
        s.do("cleverway")
        s.do("deliver", x=x)
        s.end(rng.pick(("proud", "happy")))
    else:
        s.do("spoil", x=x)
        s.do("deliverspoilt", x=x)
        s.end(rng.pick(("sorry", "wistful")))


def seedling(s: Stage) -> None:
    """A seed takes its time."""
    x, rng = s.frame(lexicon.PLANTS), s.rng
    s.elder()
    s.mild()
    s.do("plant", x=x)
    s.do("wait", x=x)
    s.maybe(0.5, "digup", x=x)
    s.paragraph()
    if rng.chance(0.65):
        s.do("grow", x=x)
        s.end(rng.pick(("happy", "proud")))
        return
    s.do("wither", x=x)
    if rng.chance(0.6):
        s.do("replant", x=x)
        s.end("wistful")
    else:
        s.end("sad")


def skill(s: Stage) -> None:
    """Something hard is learned, or not yet."""
    rng = s.rng
    fits = [x for x in lexicon.SKILLS if _fits(x.raw["where"][0], s.setting.name)]
    if s.animals:
        fits = [x for x in fits if x.key not in ("swim", "milk the goat")]
    if "whistle" in s.roles["k"].key:
        fits = [x for x in fits if x.key != "whistle"]
    x = s.frame(fits)
    if x.key == "skate":
        s.set_weather("frosty")
    else:
        s.mild()
    s.elder(kin=rng.chance(0.5))
    s.do("skillwish", x=x)
    s.do("skilltry", x=x)
    s.do("skilltip", x=x)
    s.paragraph()
    s.do("practise", x=x)
    if rng.chance(0.75):
        s.do("skillwin", x=x)
        s.end("proud")
    else:
        s.do("skillfail", x=x)
        s.end(rng.pick(("sad", "wistful")))


def _fits(where: str, setting: str) -> bool:
    return where == "*" or setting in where[1:].split()
