"""Ways to ask: those that are one way, and what each asks for. English."""

from __future__ import annotations

__all__ = ["KINDS", "REWRITES"]

_ASK = r"(?:what is|what's|whats|what are|what would be)"
_ME = r"(?:i|we|you(?!.*\b(?:my|me|mine|our|us)\b)|one|someone|somebody|people|a person)"
_YOU = r"(?:can|could|would|will) (?:you|someone|anyone|anybody)"

_FRILL = (
    r"(?:um+|er+|uh+|hm+|so|well|ok|okay|(?:hi|hello|hey)(?: there| everyone| all)?|dear|but|and|please"
    r"|thanks|good (?:morning|afternoon|evening)|morning|sorry|thank you|excuse me|quick (?:one|question)"
    r"|silly question|stupid question|question|just wondering|i was wondering|i wonder|just curious"
    r"|out of curiosity|everyone)"
)
_START = (
    r"(?:what|which|who|whom|whose|how|when|where|why|whats|is|are|am|was|were|do|does|did|has|have|had|can|could"
    r"|will|would|may|might|must|should|shall|if|whether|i|we|my|you|tell|explain|show|describe|define|give|list"
    r"|write|translate|summari[sz]e|name|convert|calculate|help)"
)
"""What a question begins with: what is said before one of these, without a stop, is no part of it."""

REWRITES = (
    # What is said before a question, and after it.
    (rf"^(?:(?:{_FRILL})\b(?:\s*[,:;.!]+\s*|\s+-+\s+|\s+(?=(?:{_FRILL}|{_START})\b)|\s*$))+", ""),
    (r"(?<![\s,.!])[\s,.!]*"
     r"(?:\b(?:please|thanks|thank you|thx|cheers|many thanks|thanks in advance)[\s.!]*)+$", ""),
    (r"\b(?:um+|er|uh+|hmm+|please|kindly)\b", ""),
    (rf"\b(?:{_YOU} )?(?:help me )?(?:tell|explain to|inform|remind) (?:me|us)\b(?: (?:about|if|whether)\b)?", ""),
    (rf"\b{_YOU} (?=(?:explain|describe|define|give|show|list|write|translate|summari[sz]e|name|provide|convert"
     r"|calculate)\b)", ""),
    (r"\b(?:do you know|does anyone know|any idea|i (?:want|need|wish) to know|let me know"
     r"|i(?:'d| would) (?:like|love) to know|i(?:'m| am) (?:wondering|trying to find out|curious about))\b", ""),
    # How.
    (rf"\bhow (?:do|does|can|could|would|might|may) {_ME}\b(?: go about)?|\bhow to\b", "how do i"),
    (rf"{_ASK} (?:the |a |some )?(?:best |right |correct |proper |easiest )?"
     r"(?:way|ways|steps|procedure|process|method) (?:to|for|of)\b", "how do i"),
    (rf"\bwhat (?:steps )?(?:do|must|can) {_ME} (?:(?:have|need) to )?(?:do|take) (?:in order )?to\b", "how do i"),
    (r"\b(?:show|teach|tell) me how (?:to|i can)\b|\bis there (?:a|any) way (?:to|of|for me to)\b", "how do i"),
    # Why, when, how much.
    (rf"\bhow come\b|{_ASK} the (?:reasons?|causes?) (?:for|why|that|behind|of)\b|\bfor what reason\b", "why"),
    (r"\b(?:(?:at|in|on) )?(?:what|which) (?:time|year|date|day)\b(?! of)"
     r"|\bwhat (?:is|was) the (?:date|year|time) (?:of|when|that)\b", "when"),
    (rf"{_ASK} the (?:price|cost)s? (?:of|for)\b", "how much price"),
    (rf"{_ASK} the (?:number|amount|quantity) of\b", "how many"),
    # Whether.
    (r"\b(?:is it|would it be) (?:ok|okay|possible|allowed|permitted|alright|all right|acceptable) "
     r"(?:for (?:me|us) )?(?:to|if (?:i|we))\b|\bam i (?:able|allowed|permitted) to\b|\bmay i\b|\bcould i\b",
     "can i"),
    # What.
    (r"^(?:list|name|enumerate)(?: all)?(?: of)? (?=the\b)", "what are "),
    (r"^(?:calculate|compute|work out|evaluate|define|explain|describe)\b", "what is"),
    (rf"{_ASK} the (?:meaning|definition) of\b", "what is meaning"),
    (r"\bwhat does (.+?) mean\b", r"what is meaning \1"),
    (r"\bcan you explain\b", "what is"),
)  # fmt: skip
"""Ways to ask that are one way, in the order in which they are replaced; none changes what is asked."""

KINDS = (
    ("fare", r"how (?:am|are|was|were|did|have|should|will) (?:i|you|we)\b"),
    ("many", r"how many\b"), ("much", r"how much\b"), ("how", r"how do i\b"),
    ("measure", r"how (?:tall|long|far|fast|deep|wide|old|high|big|heavy|large|often|soon|hot|cold|strong)\b"),
    ("how", r"how\b"), ("why", r"why\b"), ("when", r"when\b"), ("where", r"where\b"),
    ("who", r"(?:who|whom|whose)\b"),
)  # fmt: skip
"""What is asked for, by the first of these that is there; without any, what something is, or whether it is so."""
