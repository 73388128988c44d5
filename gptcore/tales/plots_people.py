"""Plots about people and creatures: promises, storms, races, strangers, secrets, quarrels.

Source: ours.
"""

from __future__ import annotations

from gptcore.tales import lexicon
from gptcore.tales.stage import Stage


def promised(s: Stage) -> None:
    """A promise meets a temptation."""
    x, y, rng = s.frame(s.setting.tasks), s.frame(lexicon.SIGHTS), s.rng
    s.elder()
    s.do("promise", x=x)
    s.friend()
    s.do("tempt", y=y)
    s.paragraph()
    if rng.chance(0.5):
        s.do("resist", x=x)
        s.do("taskgood", x=x)
        s.do("praise")
        s.end(rng.pick(("proud", "happy")))
        return
    s.do("yield", x=x)
    s.do("taskbad", x=x)
    s.paragraph()
    s.do("confess")
    if rng.chance(0.6):
        s.do("forgive")
        s.end("relieved", "mixed")
    else:
        s.do("stern")
        s.end("sorry")


def stormy(s: Stage) -> None:
    """Weather threatens what people live on."""
    x, rng = s.frame(s.setting.risks), s.rng
    s.elder(kin=rng.chance(0.5))
    s.do("stormwarn")
    s.do("storm")
    s.paragraph()
    s.do("atrisk", x=x)
    if rng.chance(0.75):
        s.do("workstorm", x=x)
        s.paragraph()
        s.do("dry")
        s.end(rng.pick(("proud", "relieved")))
    else:
        s.do("losestorm", x=x)
        s.paragraph()
        s.do("dry")
        s.end("sad")


def race(s: Stage) -> None:
    """Two friends run, and one of them falls, or does not."""
    p, r, rng = s.place(True), s.place(True), s.rng
    s.friend()
    s.do("challenge", p=p, r=r)
    s.paragraph()
    s.do("lead")
    turn = rng.random()
    if turn < 0.4:
        s.do("fallb")
        s.do("stop")
        s.end("happy")
    elif turn < 0.6:
        s.do("fallb")
        s.do("runpast", r=r)
        if rng.chance(0.5):
            s.do("apologise")
            s.end("relieved", "mixed")
        else:
            s.end("sorry")
    elif turn < 0.8:
        s.do("dash", r=r)
        s.end("proud")
    else:
        s.do("losedash", r=r)
        s.end("wistful")


def stranger(s: Stage) -> None:
    """A traveller is in need."""
    x, p, rng = s.frame(lexicon.STRANGERS), s.place(True), s.rng
    s.do("stranger", x=x, p=p)
    s.look_round(p)
    s.do("need", x=x)
    s.paragraph()
    if rng.chance(0.75):
        s.do("helpstranger", x=x)
        s.do("thank", x=x)
        s.end(rng.pick(("happy", "proud")))
    else:
        s.do("ignore", x=x)
        s.do("regret", x=x, p=p)
        s.end("sorry")


def secret(s: Stage) -> None:
    """A surprise for a friend has to be kept."""
    x, rng = s.frame(lexicon.SURPRISES), s.rng
    s.friend()
    s.do("overhear", x=x)
    s.pang(0.4, "excited")
    s.do("pester")
    s.paragraph()
    if rng.chance(0.65):
        s.do("keepsecret")
        s.do("reveal", x=x)
        s.end(rng.pick(("proud", "happy")))
    else:
        s.do("blurt", x=x)
        s.do("apologise")
        s.end("sorry")


def rescue(s: Stage) -> None:
    """An animal is in trouble."""
    x, rng = s.frame(s.setting.rescues), s.rng
    s.do("spotanimal", x=x)
    s.do("hush", x=x)
    s.friend()
    s.paragraph()
    s.do("fetchtool", x=x)
    if rng.chance(0.8):
        s.do("free", x=x)
        s.end(rng.pick(("happy", "relieved")))
    else:
        s.do("gone", x=x)
        s.end("sad")


def too_far(s: Stage) -> None:
    """A rule is forgotten and the way home lost."""
    x, rng = s.frame(s.setting.far), s.rng
    s.elder()
    s.do("forbid", x=x)
    s.do("toofar", x=x)
    s.paragraph()
    s.do("strayed", x=x)
    s.pang(0.5, "afraid")
    s.do("call")
    s.paragraph()
    s.do("foundby" if rng.chance(0.6) else "ownway", x=x)
    s.maybe(0.7, "learnrule")
    s.end(rng.pick(("relieved", "relieved", "sorry")), "mixed")


def night_noise(s: Stage) -> None:
    """Something makes a noise in the dark."""
    x, rng = s.frame(s.setting.noises), s.rng
    s.elder()
    s.do("noise", x=x)
    s.pang(0.6, "afraid")
    s.do("imagine")
    s.paragraph()
    if rng.chance(0.75):
        s.do("investigate")
        s.do("unmask", x=x)
        s.maybe(0.7, "tellnight", x=x)
        s.end(rng.pick(("relieved", "proud")))
    else:
        s.do("hidecover", x=x)
        s.end("wistful")


def quarrel(s: Stage) -> None:
    """Two friends fall out."""
    x, y, p, rng = s.frame(lexicon.GAMES), s.frame(lexicon.QUARRELS), s.place(), s.rng
    s.friend()
    s.do("play", x=x, p=p)
    s.look_round(p)
    s.do("quarrel", y=y)
    s.do("part")
    s.paragraph()
    s.do("alone", y=y)
    s.pang(0.4, "lonely")
    if rng.chance(0.7):
        s.do("makeup", y=y)
        s.end(rng.pick(("happy", "relieved")))
    else:
        s.do("staymad")
        s.end("sad")


def newcomer(s: Stage) -> None:
    """Somebody new stands at the edge."""
    x, rng = s.frame(lexicon.GAMES), s.rng
    s.friend("new neighbour")
    s.do("newcomer")
    s.paragraph()
    if rng.chance(0.65):
        s.do("notice", x=x)
        s.do("teach", x=x)
        s.end("happy")
        return
    s.do("shyaway")
    if rng.chance(0.6):
        s.do("secondtry", x=x)
        s.end("relieved")
    else:
        s.end("sorry")
