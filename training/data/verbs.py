"""Verbs of invented tools in groups of one sense; no word is in two groups."""

from __future__ import annotations

VERBS = (
    ("create", "add", "make"), ("delete", "remove", "erase"), ("get", "fetch", "retrieve"),
    ("update", "change", "modify"), ("send", "deliver", "dispatch"), ("start", "launch", "begin"),
    ("stop", "end", "halt"), ("search", "find", "look for"), ("list", "show", "enumerate"),
    ("open", "unlock", "open up"), ("close", "shut", "lock"), ("book", "reserve", "order"),
    ("convert", "transform", "turn"), ("check", "test", "verify"), ("move", "shift", "transfer"),
    ("copy", "duplicate", "clone"), ("rename", "retitle", "relabel"), ("share", "publish", "post"),
    ("play", "stream", "put on"), ("cancel", "call off", "drop"), ("buy", "purchase", "acquire"),
    ("sell", "offer", "trade"), ("count", "tally", "number"), ("print", "output", "type out"),
    ("save", "store", "keep"), ("load", "read in", "import"), ("compress", "pack", "zip"),
    ("measure", "gauge", "determine"), ("paint", "colour", "draw"), ("clean", "wash", "tidy"),
    ("repair", "fix", "mend"), ("enable", "activate", "switch on"), ("disable", "deactivate", "switch off"),
    ("schedule", "plan", "arrange"), ("assign", "give", "allot"), ("rate", "score", "grade"),
    ("archive", "put away", "shelve"), ("approve", "accept", "confirm"), ("reject", "refuse", "decline"),
    ("invite", "ask in", "welcome"), ("merge", "join", "combine"), ("split", "divide", "break up"),
    ("sort", "rank", "put in order"), ("filter", "sift", "narrow down"), ("translate", "render", "interpret"),
    ("summarize", "sum up", "condense"), ("review", "inspect", "look over"), ("analyze", "study", "examine"),
    ("track", "follow", "trace"), ("watch", "monitor", "observe"), ("report", "flag", "announce"),
    ("download", "pull", "get down"), ("upload", "push", "put up"), ("export", "write out", "dump"),
    ("install", "set up", "put in"), ("uninstall", "take out", "strip"), ("restart", "reboot", "start again"),
    ("reset", "clear", "wipe"), ("restore", "recover", "bring back"), ("backup", "back up", "secure"),
    ("connect", "link", "attach"), ("disconnect", "unlink", "detach"), ("subscribe", "follow up", "sign up for"),
    ("pause", "hold", "suspend"), ("resume", "continue", "carry on"), ("skip", "pass over", "leave out"),
    ("rent", "hire", "lease"), ("return", "give back", "hand back"), ("pay", "settle", "pay for"),
    ("refund", "repay", "pay back"), ("charge", "bill", "invoice"), ("calculate", "compute", "work out"),
    ("compare", "contrast", "match"), ("estimate", "guess", "predict"), ("generate", "produce", "make up"),
    ("build", "construct", "assemble"), ("compile", "make ready", "prepare"), ("deploy", "release", "roll out"),
    ("scan", "read off", "capture"), ("record", "note", "write down"), ("log", "enter", "register"),
    ("label", "tag", "mark"), ("hide", "conceal", "cover"), ("reveal", "expose", "uncover"),
    ("encrypt", "scramble", "encode"), ("decrypt", "decode", "unscramble"), ("sign", "endorse", "put a name to"),
    ("block", "ban", "bar"), ("allow", "permit", "let in"), ("extend", "prolong", "lengthen"),
    ("shorten", "cut", "trim"), ("resize", "scale", "blow up"), ("rotate", "spin", "swivel"),
    ("raise", "increase", "lift"), ("lower", "reduce", "decrease"), ("cook", "bake", "fry"),
    ("feed", "nourish", "give food to"), ("grow", "plant", "cultivate"), ("collect", "gather", "pick up"),
    ("deposit", "put down", "bank"), ("donate", "give away", "contribute"), ("teach", "explain", "train"),
    ("vote", "elect", "vote for"), ("recommend", "suggest", "propose"), ("replace", "swap", "exchange"),
    ("call", "phone", "ring"), ("wake", "rouse", "wake up"), ("format", "style", "lay out"),
    ("validate", "prove", "make sure of"), ("ping", "poke", "nudge"), ("escalate", "hand up", "push up"),
)
VERB_WORDS = tuple(word for group in VERBS for word in group)

ALIKE = tuple(frozenset(acts.split()) for acts in (
    "get find search list load download report reveal watch track open",
    "create add save record log generate build upload compile deposit install schedule grow",
    "delete cancel archive uninstall reset hide return disconnect skip",
    "set update replace reset raise lower resize rename format convert translate",
    "check validate review analyze measure ping scan track watch",
    "stop close pause disable disconnect lower block cancel skip",
    "start resume enable open restart wake play connect raise allow deploy load",
    "send share call report escalate export upload invite deploy donate",
    "buy book rent pay charge subscribe",
    "count calculate measure estimate compare",
    "sell donate return refund pay",
    "label rate sign log record review",
    "backup save copy archive export restore resume",
    "clean reset repair update restore",
    "split compress shorten filter summarize sort",
    "approve allow sign vote enable recommend", "reject block cancel disable", "merge connect collect", "update extend", "move transfer send assign",
))
"""Verbs that people use for each other; no toolset has two of a line with one noun."""


def akin(one: str, other: str) -> bool:
    """Whether two verbs could be meant for each other."""
    return one == other or any(one in line and other in line for line in ALIKE)


def third(verb: str) -> str:
    """The third person of a verb: `look for` becomes `looks for`."""
    first, *rest = verb.split(" ", 1)
    if first.endswith(("s", "sh", "ch", "x", "z", "o")):
        first += "es"
    elif first.endswith("y") and first[-2:-1] not in "aeiou":
        first = first[:-1] + "ies"
    else:
        first += "s"
    return " ".join([first, *rest])
