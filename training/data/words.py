"""Words, names and texts to fill templates with, each split between training and evaluation."""

from __future__ import annotations

import re
import zlib
from functools import lru_cache
from pydoc_data.topics import topics

from training.tokenizer import Tokenizer

FIRST_NAMES = (
    "Anna Ben Carla David Elena Farid Greta Hugo Ines Jonas Kira Liam Maya Nora Omar Paula Quinn "
    "Rosa Sam Tara Umar Vera Will Xenia Yusuf Zoe Alice Bob Carol Dan Emma Frank Grace Henry Ivy "
    "Jack Karen Leo Mia Noah Olga Peter Ruth Simon Tom Ursula Victor Wendy Yara Zack Amir Bella "
    "Chloe Diego Eva Felix Gina Hans Irene Jorge Kate Luca Marta Nils Otto Petra Rafael Sofia Theo"
).split()
SURNAMES = (
    "Adler Baker Costa Dunn Evans Fischer Garcia Hansen Ito Jensen Khan Lopez Meyer Novak Okafor "
    "Park Quist Rossi Silva Tanaka Ueda Vogel Weber Xu Young Zeller Brandt Chen Dubois Eriksen "
    "Fontana Gruber Holm Ivanov Jones Keller Larsen Moreau Nakamura Olsen Peters Reyes Schmidt"
).split()
CITIES = (
    "Oslo Paris Berlin Lisbon Madrid Rome Vienna Prague Warsaw Dublin Zurich Athens Cairo Lagos "
    "Nairobi Tokyo Kyoto Osaka Seoul Delhi Mumbai Lima Quito Bogota Toronto Boston Denver Austin "
    "Chicago Seattle Sydney Perth Hanoi Manila Jakarta Tunis Rabat Porto Bergen Malmo Basel Graz"
).split()
THINGS = (
    "apple banana book bottle box bridge bus camera car chair clock coat coffee cup desk dog door "
    "egg engine flower forest garden glass guitar hammer hat horse house island kettle key knife "
    "lamp lemon letter map mirror mountain needle orange paper pen pencil phone piano pillow plate "
    "pond potato river road rope rose ship shirt shoe soap sofa spoon station stone table tent "
    "ticket towel tower train tree truck umbrella violin wall watch wheel window winter cat bread "
    "butter candle carpet castle cheese circle cloud copper cotton desert dinner dragon feather "
    "finger hill honey jacket ladder lake leaf market meadow metal moon morning museum ocean "
    "onion palace pepper pocket rabbit radio rain salt school shadow silver snow spring star "
    "storm street sugar summer sunset tea tiger tomato valley village water wind wolf wood"
).split()
COLOURS = "red blue green yellow black white brown grey pink purple orange silver gold".split()
JOBS = (
    "baker teacher nurse doctor pilot farmer painter driver lawyer chef writer singer plumber "
    "engineer gardener carpenter dentist librarian journalist waiter sailor tailor"
).split()
EXTENSIONS = (
    "txt md py js ts json toml yaml yml html css csv log sh rs go java c cpp h sql ini cfg xml "
    "conf rb php tsx env lock"
).split()
FOLDERS = (
    "src lib tests docs app data config scripts tools public assets build core api server client "
    "models views pages notes examples bin include internal web utils"
).split()
FILE_STEMS = (
    "main index app server client config settings readme notes todo utils helpers test data "
    "report hello setup model routes types schema parser lexer output input example demo draft "
    "list summary plan log users orders items script style page query budget changelog"
).split()
EMOJI_AND_ACCENTS = (
    "café naïve über señor façade résumé jalapeño smörgåsbord Zürich São Ångström crème piñata "
    "привет мир 你好 世界 こんにちは 한국어 γειά שלום 🎉 🚀 ✅ 🔥 😀 ❤ → … – — “ ” ’ € £ ° × ½"
).split()


def is_held_out(word: str) -> bool:
    """True for the eighth of all words that only evaluation may use."""
    return zlib.crc32(word.encode()) % 8 == 0


def divided(words: tuple[str, ...], *, held_out: bool) -> tuple[str, ...]:
    """The share of a word list that one side may use."""
    return tuple(word for word in words if is_held_out(word) == held_out)


@lru_cache(maxsize=1)
def reference_words() -> tuple[str, ...]:
    """Lower-case words of Python's own language reference, sorted."""
    found = re.findall(r"\b[a-z]{3,11}\b", " ".join(topics.values()))
    return tuple(sorted(set(found)))


@lru_cache(maxsize=1)
def reference_sentences() -> tuple[str, ...]:
    """Prose sentences of Python's own language reference, as distractor text."""
    text = " ".join(topics[name] for name in sorted(topics))
    flat = re.sub(r"\s+", " ", text)
    found = re.findall(r"[A-Z][a-z][^.<>|]{30,200}\. ", flat)
    return tuple(sentence.strip() for sentence in found)


@lru_cache(maxsize=1)
def token_letters() -> tuple[str, ...]:
    """All tokens that are two letters or more, also those of words that only evaluation uses."""
    return tuple(token for token in Tokenizer.load().tokens if token.isascii() and token.isalpha() and len(token) > 1)
