"""Words of the gate: those that mean the same, those that mean nothing, and those on which everything hangs.

English. A text in another language is compared word for word.
"""

from __future__ import annotations

__all__ = [
    "COMPOUNDS", "CONTRACTIONS", "EMPTY", "IRREGULAR", "LONG_FORMS", "MARKERS", "MEASURES", "MODALS", "NEGATORS",
    "NUMBERS", "OPERATORS", "ORDINALS", "PAST", "PERSONS", "PRESENT", "SCALES", "SPOKEN", "SYNONYMS", "UNITS",
    "VERBATIM",
]  # fmt: skip

NUMBERS = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
} | {
    word: 10 * (value + 2)
    for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split())
}
SCALES = {"hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
ORDINALS = {
    word: value + 1
    for value, word in enumerate("first second third fourth fifth sixth seventh eighth ninth tenth".split())
}
OPERATORS = {"plus": "+", "minus": "-", "times": "*", "multiplied": "*", "divided": "/", "x": "*", "×": "*",
    "÷": "/", "−": "-"}  # fmt: skip

CONTRACTIONS = {
    "can't": "can not", "cannot": "can not", "won't": "will not", "shan't": "shall not", "let's": "let us",
    "i'm": "i am", "gonna": "going to", "wanna": "want to", "gotta": "got to", "ain't": "is not",
}  # fmt: skip

LONG_FORMS = {
    "ww1": "world war 1", "ww2": "world war 2", "wwi": "world war 1", "wwii": "world war 2",
    "uk": "united kingdom", "usa": "united states", "asap": "soon", "info": "information", "pls": "please",
    "plz": "please", "u": "you", "ur": "your", "dict": "dictionary", "docs": "documentation", "app": "application",
    "pic": "picture", "pics": "pictures", "ad": "advertisement", "ads": "advertisements", "lab": "laboratory",
    "vs": "versus", "whats": "what is", "hows": "how is", "wheres": "where is", "dont": "do not",
    "doesnt": "does not", "cant": "can not", "isnt": "is not", "im": "i am", "ive": "i have",
}  # fmt: skip

IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "people": "person", "feet": "foot", "teeth": "tooth",
    "mice": "mouse", "geese": "goose", "wives": "wife", "analyses": "analysis",
    "criteria": "criterion", "dying": "die", "lying": "lie", "went": "go", "gone": "go", "wrote": "write",
    "written": "write", "built": "build", "bought": "buy", "sold": "sell", "made": "make", "paid": "pay",
    "got": "get", "gotten": "get", "forgot": "forget", "forgotten": "forget", "lost": "lose", "sent": "send",
    "broke": "break", "broken": "break", "began": "begin", "begun": "begin", "spoke": "speak", "spoken": "speak",
    "ate": "eat", "eaten": "eat", "gave": "give", "given": "give", "took": "take", "taken": "take", "won": "win",
    "found": "find", "said": "say", "seen": "see", "knew": "know", "known": "know",
    "came": "come", "drove": "drive", "driven": "drive", "grew": "grow", "grown": "grow", "chose": "choose",
    "chosen": "choose", "stolen": "steal", "stole": "steal", "kept": "keep", "held": "hold", "told": "tell",
    "thought": "think", "taught": "teach", "caught": "catch", "met": "meet", "ran": "run",
    "slept": "sleep", "spent": "spend", "shown": "show", "worn": "wear", "wore": "wear", "flew": "fly",
    "flown": "fly", "drawn": "draw", "drew": "draw", "died": "die", "does": "do", "goes": "go",
}  # fmt: skip
"""Forms that no ending tells."""

UNITS = {
    form: name
    for name, forms in {
        "meter": "m metre", "kilometer": "km kilometre", "centimeter": "cm centimetre",
        "millimeter": "mm millimetre", "mile": "mi", "foot": "ft", "inch": "in.", "yard": "yd", "gram": "g gramme",
        "kilogram": "kg kilo kilogramme",
        "milligram": "mg", "microgram": "mcg µg", "pound": "lb lbs", "ounce": "oz", "liter": "l litre",
        "milliliter": "ml millilitre", "second": "s sec secs", "millisecond": "ms", "minute": "min mins",
        "hour": "h hr hrs", "byte": "", "kilobyte": "kb", "megabyte": "mb", "gigabyte": "gb", "terabyte": "tb",
        "watt": "w", "kilowatt": "kw", "kilowatthour": "kwh", "celsius": "°c", "fahrenheit": "°f", "kelvin": "k",
        "dollar": "$ usd buck", "euro": "€ eur", "poundsterling": "£ gbp", "yen": "¥ jpy", "rupee": "₹ inr",
        "percent": "%", "degree": "°", "kilometerperhour": "km/h kph", "mileperhour": "mph",
        "hertz": "hz", "megahertz": "mhz", "gigahertz": "ghz", "volt": "v", "calorie": "cal",
        "kilocalorie": "kcal",
    }.items()
    for form in (name, *forms.split())
}  # fmt: skip
"""Spellings of units, and the unit; those of one to three letters count only behind a number."""

NEGATORS = frozenset({"not", "no", "never", "neither", "nor", "none", "nobody", "nothing", "nowhere"})

MARKERS = frozenset({
    "to", "into", "onto", "from", "than", "by", "before", "after", "until", "since", "about", "against", "towards",
})  # fmt: skip
"""What comes behind one of them cannot change places with what comes before it."""

PERSONS = {
    "i": "i", "me": "i", "my": "i", "mine": "i", "myself": "i", "we": "i", "us": "i", "our": "i", "ours": "i",
    "you": "you", "your": "you", "yours": "you", "yourself": "you",
    "he": "he", "him": "he", "his": "he", "she": "she", "her": "she", "hers": "she",
    "they": "they", "them": "they", "their": "they", "theirs": "they",
}  # fmt: skip

MODALS = {
    "must": r"must|(?:have|has|had|got|need|needs|needed|required) to",
    "should": r"should|ought|shall|supposed to",
    "can": r"can|could|may|might|(?:able|allowed) to",
    "will": r"will|going to",
    "would": r"would",
}  # fmt: skip
"""What is said of duty, leave and time to come, by the words that say it."""

PAST = frozenset({"was", "were", "did", "had"})
PRESENT = frozenset({"is", "are", "am", "do", "does", "has", "have"})

EMPTY = frozenset(
    "a an the is are am be been being was were do does did done has have had having it its this that these those "
    "there here of in on at for with and or as so also just really very exactly actually basically some "
    "any such own "
    "what which who whom whose how when where why to into from by about "
    "i me my mine myself we us our ours you your yours yourself he him his himself she her hers herself they them "
    "their theirs themselves will would can could may might shall should must ought able allowed supposed not no "
    "never neither nor none".split()
)
"""Words that carry nothing by themselves. What some of them say together is looked at on its own: who asks what of
whom, with or without a not, and in which time."""

MEASURES = frozenset({"many", "much", "long", "far"})
"""Words that are empty behind a how."""

VERBATIM = frozenset(
    "translate translation say said spell spelling spelled pronounce pronunciation rhyme rhymes synonym synonyms "
    "antonym antonyms plural singular tense conjugate conjugation letters syllables rewrite rephrase "
    "paraphrase proofread "
    "grammar grammatically sentence sentences word words phrase mean means meaning definition anagram palindrome "
    "code function regex query sql json".split()
)
"""Where one of these stands, the words themselves are asked about: no other form of them is the same."""

SPOKEN = VERBATIM & frozenset(
    "translate say said spell spelling spelled pronounce pronunciation rhyme rhymes conjugate".split()
)
"""What comes behind one of these is said as it is, the little words too."""

SYNONYMS = {
    word: group.split()[0]
    for group in (
        "begin start commence",
        "end finish",
        "buy purchase",
        "fix repair mend",
        "delete remove erase",
        "big large",
        "small little",
        "fast quick rapid quickly",
        "fastest quickest",
        "largest biggest",
        "change modify alter update",
        "create make build construct",
        "shop store",
        "car automobile",
        "phone telephone cellphone",
        "film movie",
        "tap faucet",
        "price cost",
        "author write",
        "answer reply",
        "doctor physician",
        "kid child",
        "photo picture photograph",
        "startup start-up",
        "difference distinction",
        "meaning definition define",
        "symptom sign",
        "help assist assistance",
        "choose select pick",
        "require necessary",
        "ill sick",
        "kill murder",
        "height tall",
        "length long",
        "weight weigh heavy",
        "depth deep",
        "width wide",
        "age old",
        "distance far",
        "jail prison",
        "illness disease sickness",
        "lawyer attorney",
        "salary wage",
        "quantity amount",
        "install installation setup",
        "cancel cancellation",
        "renew renewal",
        "convert conversion",
        "translate translation",
        "summarize summary",
        "deliver delivery ship shipping",
        "register registration signup",
        "subscribe subscription",
        "compare comparison",
        "improve enhance",
        "happen occur",
        "safe safety",
        "danger dangerous",
        "benefit advantage",
        "drawback disadvantage downside",
        "website site webpage",
        "email e-mail",
        "get obtain",
        "folder directory",
        "terminal console",
        "program programme",
        "internet web",
        "television tv",
        "rubbish trash garbage",
        "cookie biscuit",
        "leak leaky",
        "package parcel",
        "passcode pin",
        "locate find",
        "arrive arrival",
        "depart departure",
        "book reserve reservation booking",
        "employee worker",
        "marry wed",
        "wedding marriage",
        "rich wealthy",
        "smart clever intelligent",
        "hard difficult",
        "easy simple",
        "afraid scared",
        "grow cultivate",
        "vacation holiday",
        "gasoline petrol",
        "aeroplane airplane plane",
        "colour color",
        "centre center",
        "grey gray",
        "theatre theater",
        "licence license",
        "tyre tire",
        "catalogue catalog",
        "jewellery jewelry",
        "favourite favorite",
        "neighbour neighbor",
        "behaviour behavior",
        "flavour flavor",
        "honour honor",
        "humour humor",
        "labour labor",
        "defence defense",
        "cheque check",
        "travel travelling traveling",
        "luggage baggage",
        "guarantee warranty",
        "repository repo",
        "previous earlier",
        "trip journey",
        "document paperwork",
        "decline reject",
        "cancel cancelled canceled",
        "invent invention",
        "discover discovery",
        "kilogram kilo",
        "refund reimbursement",
        "verify verification",
        "activate activation",
        "store storage",
    )
    for word in group.split()
}
"""Words that mean the same in a question, each with the first of its group."""

COMPOUNDS = {
    ("log", "in"): "login", ("sign", "in"): "login", ("log", "on"): "login", ("log", "out"): "logout",
    ("sign", "out"): "logout", ("log", "off"): "logout", ("sign", "up"): "signup", ("set", "up"): "install",
    ("get", "rid"): "delete", ("find", "out"): "learn", ("money", "back"): "refund", ("cell", "phone"): "phone",
    ("mobile", "phone"): "phone", ("per", "cent"): "percent", ("e", "mail"): "email", ("web", "site"): "website",
    ("post", "code"): "postcode", ("zip", "code"): "postcode", ("check", "out"): "checkout",
    ("give", "up"): "quit", ("carry", "out"): "perform", ("fill", "in"): "complete", ("fill", "out"): "complete",
    ("credit", "card"): "creditcard", ("new", "york"): "newyork", ("years", "old"): "age",
}  # fmt: skip
"""Two words that are one."""
