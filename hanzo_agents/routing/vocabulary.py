"""Words that tell what kind of task a prompt is, in a dozen languages. Plain data, grouped by what they mean.

A word that ends in `*` is a stem: any word that begins so counts. Scripts written without spaces are searched for
the characters themselves.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CLOSINGS", "PHRASES", "SIGNS", "WORDS", "Vocabulary"]


class Vocabulary(NamedTuple):
    """Whole words, and stems by their length."""

    whole: dict[str, str]
    stems: dict[int, dict[str, str]]

    def group_of(self, word: str) -> str | None:
        """The group a word belongs to, None for a word that tells nothing."""
        found = self.whole.get(word)
        if found is not None:
            return found
        for length, stems in self.stems.items():
            if length > len(word):
                break
            found = stems.get(word[:length])
            if found is not None:
                return found
        return None


_GROUPS = {
    # Verbs of tasks in which one step builds on another.
    "hard task": """
        prove proof disprove derive deriv* deduce demonstrate falsif* formali* generali*
        design* architect* sketch refactor* restructur* migrat* port rearchitect modulari*
        implement* build debug* diagnos* investigat* troubleshoot* bisect* profile reproduc* harden untangle
        optimi* minimis* minimiz* maximis* maximiz* vectori* paralleli* parallelis*
        analy* assess* evaluat* critiqu* critici* contrast weigh* steelman interpret* reconcil* synthesi*
        plan strateg* forecast* estimat* schedul* restructure roadmap simulat* model* prioriti*
        negotiat* argue argues audit* resolve solve integrate
        beweis* entwirf entwerf* konzipier* analysier* begrund* begründ* vergleich* beurteil* optimier* entwickle
        démontr* demontr* conço* concev* analyse compare* évalu* justifi* optimise
        demuestr* diseñ* analiz* compar* evalú* justific* desarroll* optimiz*
        dimostr* progett* analizz* confront* valut*
        demonstr* projet* provar analis* avali*
        ontwerp* bewijs* analyseer vergelijk* onderbouw* optimaliseer*
        udowodn* zaprojekt* przeanaliz* porówn* uzasadn*
        докаж* доказат* спроектир* проанализ* сравн* обоснуй* оптимиз* разработай*
        أثبت برهن صمم حلل قارن सिद्ध विश्लेषण तुलना
    """,
    # What such tasks are about. A field that takes study to speak of.
    "hard topic": """
        theorem lemma induction irrational primes eigenvalue* eigenvector* integral* converg* diverg*
        matrix matrices
        tridiagonal probability bayes* posterior conditional stochastic differential gradient* limit asymptotic
        combinatori* topolog* homeomorph* algebra* polynomial* undecidab* halting complexity np axiom* cardinal*
        geometr* euclidean calculus trigonometr* derivative* logarithm* vector* statistic* permutation*
        equation* integer optimal paradox* counterexample* fallacy hypothes* confidence p-value regress* causal*
        deadlock* race concurren* lock-free lockfree mutex thread-safe threads threading async* coroutine* atomic
        distributed consensus raft paxos sharding shard replicat* replication failover idempoten* crdt consistency
        latency throughput scalab* kubernetes microservice* monolith* schema multi-tenant tenant* cqrs sourcing
        segfault* segmentation memory leak heap overflow race-condition drift inferred kernel cuda
        compiler* parser tokenizer
        bytecode webassembly wasm borrow lifetime* generic* type-safe inference lexer automata nfa dfa
        vulnerab* exploit* threat* cryptograph* encryption authentication oauth jwt constant-time tls
        flaky regression* bottleneck* incident outage root-cause postmortem p99 n+1 index* query quer* backtracking
        architecture* trade-off* tradeoff* migration scheduler pipeline* transformer attention backprop*
        quantum relativ* renormali* superconduct* thermodynam* entropy crispr synthes* metric tensor physics
        differential diagnos* dose dosage contraindicat* interaction* warfarin ecg troponin dialysis lisinopril
        ibuprofen statin* chemotherap* tsh antibiotic* pregnan* symptom*
        clause* enforceab* liabilit* indemnif* gdpr jurisdiction* statut* tort patent* copyright fair-use tax taxes
        compliance antitrust landlord deposit tenant lawsuit contract*
        mortgage valuation dcf black-scholes hedg* amortis* amortiz* portfolio* ipo isos equity revenue churn
        macroeconom* monetary fiscal keynes* austrian inflation regulation* unemployment externalit*
        epistem* ontolog* determinism utilitarian* deontolog* kant* kantian hume habermas rawls metaphysic* ethic*
        sonnet villanelle sestina iambic pentameter unreliable grant proposal thesis essay manuscript
        methodolog* confound* randomi* trial meta-analysis robustness interim counterfactual* elasticit*
        wide-ranging second-order long-term stakeholder* go-to-market
        architektur* skalierbar* wahrscheinlichkeit* primzahl* nebenläuf* abwägung* ursache* verteilt*
        sicherheitslücke*
        théorème architecture causes idempotent* distribué* évolutiv* probabilité*
        arquitectura distribuid* irracional probabilidad ventajas inconvenientes compromisos causas
        architettura distribuit* spazio compatto probabilità
        euclidian* probabilidade arquitetura
        architectuur schaalba* kansrekening
        nieprzeliczaln* twierdzeni* prawdopodobieńst*
        архитектур* отказоустойчив* теорем* множеств* вероятност* компромисс* причин*
        الجذر نسبي نظرية अनंत प्रमेय
    """,
    # Asks for reasons or for sides.
    "reasoning": """
        why justify justification explain reasoning argument* assumptions implications consequences
        trade-offs versus
        vs pros cons advantages disadvantages strengths weaknesses risks compare differ
        warum weshalb pourquoi perché dlaczego почему waarom
    """,
    # Tasks that small models do well.
    "easy task": """
        translat* summari* tl tldr extract* classif* categori* capitali* alphabeti* sort rename format
        convert round
        correct spell* grammar rephrase shorten paraphras* copy replace list name define tag label fill
        bullet uppercase lowercase template repeat remove count add pull return paste highlight
        übersetz* fasse zusammenfass* korrigier* formatier* nenne liste
        tradui* résum* corrig* reformul* liste
        traduc* resum* corrige* enumera
        traduci riassum* correggi elenca traduz* resum*
        vertaal samenvat* corrigeer
        przetłumacz streść popraw wymień
        переведи перевод* кратко исправь перечисли
    """,
    # What everybody writes every day, and a slip costs little.
    "everyday text": """
        email emails letter message blog post announcement paragraph story script speech poem
        description headline newsletter resignation apology ad advertisement introduction outline
        brief mail nachricht geschichte bericht lettre courriel carta correo mensaje historia messaggio lettera
        письмо
    """,
    # Somebody to pretend to be.
    "role play": """
        pretend imagine roleplay persona pirate knight superhero commentator wizard yourself
    """,
    # Small things to write, and small talk.
    "small talk": """
        hi hello hey hallo hola ciao bonjour salut olá hoi cześć привет namaste howdy
        thanks thank thx cheers bye goodbye joke birthday greeting congratulat* favourite favorite bored lol
        danke merci gracias grazie obrigad* bedankt dziękuję спасибо
        haiku tweet caption slogan synonym* pun nickname recipe dinner gift card note invitation einladung
        guten morgen buenos días
    """,
    # Questions with a short answer.
    "fact": """
        who when where capital hauptstadt capitale hoofdstad stolica столица
        quanto cuántos cuándo quién qui quand combien wer wann wo wieviel wanneer wie kto kiedy кто когда
        где сколько
        abbreviation acronym stand meaning population year spelled pronounced
    """,
    # The answer is to be small.
    "brief": """
        short briefly brief simple simply quick quickly sentence sentences one-liner just only word line
        example easy
        basics beginner kurz kurze einfach court courte corto corta breve semplice kort krótki короткий
        hello-world boilerplate basic sample
    """,
    # Several things have to hold at once.
    "constraints": """
        without exactly least most must ensure keeping constraint* subject unless given such requirements preserve
        including include between avoiding while both each every respectively step-by-step steps then
        zero-downtime end-to-end from-scratch scratch
    """,
}

_CJK = {
    "hard task": (
        "证明", "设计", "分析", "比较", "权衡", "优化", "重构",
        "調査", "証明", "設計", "計画", "比較", "最適化",
    ),
    "hard topic": (
        "架构", "并发", "无理数", "定理", "微服务", "分布式",
        "リスク", "マイクロサービス", "素数", "アーキテクチャ",
    ),
    "reasoning": ("为什么", "为何", "なぜ", "理由"),
    "easy task": ("翻译", "总结", "概括", "改写", "訳", "要約", "英語で"),
    "small talk": ("你好", "谢谢", "天气", "こんにちは", "ありがとう"),
    "fact": ("是谁", "哪里", "多少", "首都", "どこ", "いつ", "誰", "何です"),
}  # fmt: skip
SIGNS: dict[str, tuple[str, ...]] = {group: tuple(dict.fromkeys(signs)) for group, signs in _CJK.items()}
"""Signs of each group, for scripts without spaces between words."""

PHRASES: dict[str, tuple[str, ...]] = {
    "easy task": (
        "fix the typo", "fix the grammar", "fix the spelling", "fix the syntax", "in alphabetical order", "tl;dr",
        "as json", "into bullet", "give me a title", "main point", "unit test for this",
        "which of these", "which of the following", "passive voice", "more polite", "positive or negative",
    ),
    "fact": (
        "what is the", "what's the", "what does", "what is a", "how do i ", "how do you say", "how many",
        "how long",        "what year", "what are the", "how much", "is a ", "stand for", "what language",
        "¿cuál", "qual è", "qual é", "quelle est", "was ist", "wat is", "was heißt", "come si dice",
        "comment dit-on",
        "ما هي", "ما هو", "क्या है", "какая", "what is ",
    ),
    "small talk": (
        "how are you", "wie geht", "comment ça va", "qué tal", "good morning", "good night", "jak się masz",
    ),
    "hard task": (
        "root cause", "step by step", "step-by-step", "your reasoning", "how should", "what should i do",
        "what if", "walk me through", "write a parser", "write tests", "property-based", "find all", "show that",
        "should i", "should we", "find out", "what breaks", "a strategy that", "first principles",
        "is it legal", "what are my rights",
    ),
    "hard topic": (
        "race condition", "memory leak", "zero downtime", "error recovery", "machine learning", "from scratch",
        "at scale", "big o", "o(n", "o(1", "time complexity", "expected number", "expected value", "root-cause",
    ),
    "constraints": ("at least", "at most", "so that", "subject to", "as well as", "no more than", "and explain",
                    "given that"),
}  # fmt: skip
"""Words that mean something only together."""

CLOSINGS = frozenset(
    """
    thanks thank thx great perfect cool nice awesome bye goodbye lovely wonderful excellent super prima
    danke merci gracias grazie obrigado obrigada bedankt спасибо 谢谢 ありがとう
    """.split()  # noqa: SIM905 - a list of words is read more easily than one of strings
)
"""A follow-up of a few words with one of these ends the task rather than goes on with it."""


def _built() -> Vocabulary:
    whole: dict[str, str] = {}
    stems: dict[int, dict[str, str]] = {}
    for group, words in _GROUPS.items():
        for word in words.split():
            if word.endswith("*"):
                stems.setdefault(len(word) - 1, {}).setdefault(word[:-1], group)
            else:
                whole.setdefault(word, group)
    return Vocabulary(whole, dict(sorted(stems.items())))


WORDS = _built()
