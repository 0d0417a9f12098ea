"""Tools of the usual kinds with the ways in which people ask for them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.data.source import Source

Field = tuple[dict[str, Any], Callable[[Source], Any]]
TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}
NUMBER: dict[str, Any] = {"type": "number"}


@dataclass(frozen=True, eq=False)
class Frame:
    """A usual tool; each ask names the fields that it gives, in braces."""

    name: str
    description: str
    fields: dict[str, Field]
    asks: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def kindred_asks(self) -> tuple[str, ...]:
        """The asks that share a word with the name or the description."""
        known = _stems(f"{self.name} {self.description}")
        kindred = tuple(ask for ask in self.asks if _stems(re.sub(r"{.*?}", " ", ask)) & known)
        return kindred or self.asks


def _stems(text: str) -> set[str]:
    """The beginnings of a text's words, those that say nothing left out."""
    words = re.findall("[a-z]{4,}", text.lower())
    return {word[:5] for word in words if word not in ("into", "with", "from", "that", "what", "about")}


def choice(*options: str) -> Field:
    return {"type": "string", "enum": list(options)}, lambda source: source.one(options)


CITY: Field = (TEXT, Source.city)
PERSON: Field = (TEXT, Source.name)
WORDS: Field = (TEXT, lambda source: source.words(2, 4))
WORD: Field = (TEXT, Source.word)
SPEECH: Field = (TEXT, Source.sentence)
MAIL: Field = (TEXT, Source.mail)
DATE: Field = (TEXT, Source.date)
CLOCK: Field = (TEXT, Source.clock)
MINUTES: Field = (WHOLE, lambda source: source.between(1, 90))
AMOUNT: Field = (NUMBER, lambda source: source.between(1, 9999))
COUNT: Field = (WHOLE, lambda source: source.between(1, 20))
CODE: Field = (TEXT, lambda source: source.letters(2, 4).upper() + source.digits(2, 4))
MONEY: Field = (TEXT, lambda source: source.one(("USD", "EUR", "GBP", "JPY", "CHF", "SEK", "INR", "BRL")))
TONGUE: Field = (TEXT, lambda source: source.one(("French", "German", "Spanish", "Italian", "Dutch", "Polish")))
ROOM: Field = (TEXT, lambda source: source.one(("kitchen", "bedroom", "hall", "office", "garage", "bathroom")))

FRAMES = (
    Frame("get weather", "Get the current weather for a city", {"city": CITY, "unit": choice("celsius", "fahrenheit")},
          ("what is the weather in {city}", "how is the weather in {city} in {unit}", "weather in {city}",
           "what's the weather like in {city}", "is it warm in {city}", "tell me the weather for {city}",
           "how warm is it in {city} in {unit}", "give me the weather in {city}", "current weather {city}"), ("unit",)),
    Frame("send email", "Send an email", {"to": MAIL, "subject": WORDS, "body": SPEECH},
          ('send an email to {to} with the subject "{subject}" and the text "{body}"',
           'email {to} about "{subject}": "{body}"', 'write a mail to {to}, subject "{subject}", body "{body}"',
           'mail "{body}" to {to} with subject "{subject}"', 'send {to} an email: subject "{subject}", text "{body}"',
           'please email {to}, subject "{subject}", saying "{body}"')),
    Frame("set timer", "Start a countdown", {"minutes": MINUTES, "label": WORD},
          ("set a timer for {minutes} minutes", "start a timer of {minutes} minutes called {label}",
           "timer {minutes} minutes", "remind me in {minutes} minutes", "wake me in {minutes} minutes",
           "count down {minutes} minutes", "set a {minutes} minute timer"), ("label",)),
    Frame("create event", "Add an event to the calendar", {"title": WORDS, "date": DATE, "time": CLOCK},
          ('put "{title}" in my calendar on {date} at {time}', 'add the event "{title}" on {date}',
           'schedule "{title}" for {date} at {time}', 'create a calendar event "{title}" on {date} at {time}',
           'I have "{title}" on {date}, note it', 'add "{title}" to the calendar for {date}'), ("time",)),
    Frame("convert currency", "Convert an amount of money", {"amount": AMOUNT, "from": MONEY, "to": MONEY},
          ("convert {amount} {from} to {to}", "how much is {amount} {from} in {to}", "what are {amount} {from} in {to}",
           "change {amount} {from} into {to}", "{amount} {from} in {to}", "exchange {amount} {from} for {to}")),
    Frame("translate text", "Translate a text into another language", {"text": SPEECH, "language": TONGUE},
          ('translate "{text}" to {language}', 'what is "{text}" in {language}', 'say "{text}" in {language}',
           'how do you say "{text}" in {language}', 'put "{text}" into {language}', 'give me "{text}" in {language}')),
    Frame("play music", "Play a song", {"song": WORDS, "artist": PERSON},
          ('play "{song}" by {artist}', 'play the song "{song}"', 'put on "{song}" by {artist}',
           'I want to hear "{song}"', 'start the music "{song}" by {artist}', 'listen to "{song}"'), ("artist",)),
    Frame("get stock price", "Look up the price of a share", {"symbol": CODE},
          ("what is the stock price of {symbol}", "how much is a share of {symbol}", "price of {symbol} stock",
           "look up the share {symbol}", "how does {symbol} trade", "get the price of {symbol}")),
    Frame("set light", "Switch a light on or off", {"room": ROOM, "state": choice("on", "off")},
          ("turn {state} the light in the {room}", "switch the {room} light {state}", "turn the light in the {room} {state}",
           "{room} light {state}", "lights {state} in the {room}", "put the {room} light {state}")),
    Frame("book flight", "Book a plane ticket", {"origin": CITY, "destination": CITY, "date": DATE},
          ("book a flight from {origin} to {destination} on {date}", "fly me from {origin} to {destination} on {date}",
           "I need a flight to {destination} from {origin} on {date}", "get a plane ticket {origin} to {destination} for {date}",
           "reserve a flight on {date} from {origin} to {destination}", "on {date} I fly from {origin} to {destination}, book it")),
    Frame("reserve table", "Reserve a table at a restaurant", {"people": COUNT, "time": CLOCK, "restaurant": WORDS},
          ('reserve a table for {people} at {time} at "{restaurant}"', "book a table for {people} people at {time}",
           'a table for {people} at "{restaurant}" at {time}, please', "we are {people} and want a table at {time}",
           "get me a table for {people} at {time}", 'table for {people} in "{restaurant}" at {time}'), ("restaurant",)),
    Frame("get time", "Tell the current time in a place", {"city": CITY},
          ("what time is it in {city}", "time in {city}", "tell me the time in {city}", "how late is it in {city}",
           "what is the local time in {city}", "give me the time for {city}")),
    Frame("calculate", "Evaluate an arithmetic expression", {"expression": (TEXT, lambda source: f"{source.digits(2, 4)} {source.one('+-*/')} {source.digits(1, 3)}")},
          ("calculate {expression}", "what is {expression}", "compute {expression}", "how much is {expression}",
           "work out {expression}", "evaluate {expression}")),
    Frame("search web", "Search the internet", {"query": WORDS},
          ('search the web for "{query}"', 'look up "{query}" online', 'google "{query}"', 'find "{query}" on the internet',
           'search for "{query}"', 'what does the internet say about "{query}"')),
    Frame("create user", "Register a new account", {"username": WORD, "email": MAIL},
          ("create the user {username} with the email {email}", "register {username} with {email}",
           "add a user {username}, mail {email}", "make an account for {username} ({email})",
           "new user {username} with email {email}", "sign up {username} with the address {email}")),
    Frame("get order", "Show the state of an order", {"order_id": CODE},
          ("where is my order {order_id}", "what is the status of order {order_id}", "show order {order_id}",
           "track the order {order_id}", "look up order {order_id}", "has order {order_id} been sent")),
    Frame("send message", "Send a chat message to a person", {"recipient": PERSON, "text": SPEECH},
          ('tell {recipient} "{text}"', 'send {recipient} the message "{text}"', 'message {recipient}: "{text}"',
           'text {recipient} "{text}"', 'write "{text}" to {recipient}', 'let {recipient} know: "{text}"')),
    Frame("add item", "Put an item on the shopping list", {"item": WORD, "quantity": COUNT},
          ("add {quantity} {item} to my shopping list", "put {item} on the shopping list", "I need to buy {quantity} {item}",
           "shopping list: {quantity} {item}", "note {item} for shopping", "we are out of {item}, add it to the list"), ("quantity",)),
    Frame("set temperature", "Set the heating of a room", {"room": ROOM, "degrees": (NUMBER, lambda source: source.between(10, 30))},
          ("set the {room} to {degrees} degrees", "heat the {room} to {degrees} degrees", "make it {degrees} degrees in the {room}",
           "{room} temperature {degrees}", "I want {degrees} degrees in the {room}", "the {room} should have {degrees} degrees")),
    Frame("get distance", "Distance between two cities", {"from": CITY, "to": CITY},
          ("how far is it from {from} to {to}", "distance from {from} to {to}", "how many kilometers from {from} to {to}",
           "what is the distance between {from} and {to}", "how far apart are {from} and {to}", "{from} to {to} distance")),
    Frame("query database", "Run an SQL query", {"sql": (TEXT, lambda source: f"SELECT {source.word()} FROM {source.word()}")},
          ('run the query "{sql}"', 'execute the SQL "{sql}"', 'ask the database "{sql}"', "query: {sql}",
           'what does "{sql}" give', 'send "{sql}" to the database')),
    Frame("define word", "Look up what a word means", {"word": WORD},
          ('what does "{word}" mean', "define {word}", 'look up the meaning of "{word}"', "meaning of {word}",
           "give me the definition of {word}", 'what is the meaning of the word "{word}"')),
    Frame("roll dice", "Roll some dice", {"count": COUNT, "sides": (WHOLE, lambda source: source.one((4, 6, 8, 10, 12, 20)))},
          ("roll {count} dice with {sides} sides", "throw {count} dice of {sides} sides", "roll {count} dice",
           "give me {count} dice rolls with {sides} sides", "throw {count} dice", "roll {count} d{sides}"), ("sides",)),
    Frame("get news", "Show the latest news on a topic", {"topic": WORDS},
          ('what is the news about "{topic}"', 'news on "{topic}"', 'show me headlines about "{topic}"',
           'what is new in "{topic}"', 'tell me the latest on "{topic}"', 'any news about "{topic}"')),
    Frame("set volume", "Set the loudness", {"level": (WHOLE, lambda source: source.between(0, 100))},
          ("set the volume to {level}", "volume {level}", "make the sound {level} percent", "turn the volume to {level}",
           "put the loudness at {level}", "I want the volume at {level}")),
    Frame("create ticket", "Open a support ticket", {"title": WORDS, "priority": choice("low", "medium", "high")},
          ('open a ticket "{title}" with {priority} priority', 'create a {priority} priority ticket "{title}"',
           'file a ticket "{title}", priority {priority}', 'report "{title}" as {priority}', 'new ticket: "{title}" ({priority})',
           'make a {priority} ticket named "{title}"')),
    Frame("get contact", "Find the phone number of a person", {"name": PERSON},
          ("what is the phone number of {name}", "find the number of {name}", "how can I reach {name}",
           "look up {name} in the contacts", "give me the contact of {name}", "I need the phone number of {name}")),
    Frame("resize image", "Change the size of a picture", {"file": (TEXT, Source.file_name), "width": COUNT, "height": COUNT},
          ("resize {file} to {width} by {height}", "make {file} {width} x {height}", "scale the image {file} to {width}x{height}",
           "change the size of {file} to {width} by {height}", "the picture {file} should be {width} by {height}", "set {file} to {width} times {height}")),
    Frame("deploy service", "Deploy a service to an environment", {"service": WORD, "environment": choice("staging", "production", "test")},
          ("deploy {service} to {environment}", "roll {service} out to {environment}", "ship {service} to {environment}",
           "put {service} on {environment}", "release {service} in {environment}", "bring {service} to {environment}")),
    Frame("log expense", "Record money that was spent", {"amount": AMOUNT, "category": WORD},
          ("I spent {amount} on {category}", "log {amount} for {category}", "record an expense of {amount} for {category}",
           "note that I paid {amount} for {category}", "add {amount} to the {category} expenses", "expense: {amount}, {category}")),
)

ALIASES = {
    "city": "town place location where", "unit": "units scale", "to": "recipient target goal",
    "subject": "title topic headline", "body": "text content message", "minutes": "duration length mins",
    "label": "name tag title", "title": "name summary headline", "date": "day when on", "time": "hour at clock",
    "amount": "sum value quantity", "from": "source start base", "text": "content phrase input",
    "language": "lang target_language tongue", "song": "track title piece", "artist": "by singer band",
    "symbol": "ticker code share", "room": "place location area", "state": "status value mode",
    "origin": "from start departure", "destination": "to end arrival", "people": "guests persons seats",
    "restaurant": "place name venue", "expression": "formula expr input", "query": "q text search",
    "username": "user login name", "email": "mail address e_mail", "order_id": "order id number",
    "recipient": "to person who", "item": "product thing name", "quantity": "count number amount",
    "degrees": "temperature value celsius", "sql": "query statement command", "word": "term text query",
    "count": "number times dice", "sides": "faces kind", "topic": "subject about query",
    "level": "volume value percent", "priority": "urgency importance level", "name": "person who contact",
    "file": "image path picture", "width": "w x", "height": "h y", "service": "app name component",
    "environment": "env target stage", "category": "kind type purpose",
}
"""Other names of the same fields: a tool must be read, not remembered."""

VERB_ALIASES = {
    "get": "fetch read show lookup", "set": "change adjust update control", "create": "make add new open",
    "send": "write deliver post", "convert": "exchange change", "play": "start stream", "book": "reserve buy",
    "reserve": "book order", "search": "query find look", "add": "put append insert", "log": "record note add",
    "translate": "convert render", "define": "explain lookup", "calculate": "compute evaluate math",
    "query": "ask run", "roll": "throw", "resize": "scale", "deploy": "release ship", "run": "execute",
}
