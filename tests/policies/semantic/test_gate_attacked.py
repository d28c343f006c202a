"""Near-misses that once passed the gate: each kind by the little words, signs and letters on which it hangs."""

import pytest

from hanzo_agents import LexicalGate

gate = LexicalGate()

NEAR_MISSES = {
    "direction": """
        Flights to London | Flights from London
        How do I convert to PDF? | How do I convert from PDF?
        How do I migrate to Postgres? | How do I migrate from Postgres?
        Which trains go to Berlin? | Which trains go from Berlin?
        A letter to Anna | A letter about Anna
        Did I get a call from Sam? | Did I get a call about Sam?
        Raise the price by 10% | Raise the price to 10%
        Are you open from 5? | Are you open to 5?
    """,
    "link": """
        Can I take ibuprofen and paracetamol? | Can I take ibuprofen or paracetamol?
        Users who are admin and active | Users who are admin or active
        How do I pay for Spotify? | How do I pay with Spotify?
        Can I work as a doctor? | Can I work for a doctor?
        Books for children | Books on children
        How do I cook rice in 10 minutes? | How do I cook rice for 10 minutes?
        Is this gift from Tom? | Is this gift for Tom?
        Is this email from me? | Is this email to me?
        Who was the letter to? | Who was the letter from?
        What can I use it for? | What can I use it with?
        Where is it shipping to? | Where is it shipping from?
        How do I turn on my phone? | How do I turn in my phone?
    """,
    "role": """
        Which animals eat lions? | Which animals are eaten by lions?
        Who sued Apple? | Who was sued by Apple?
        Who do I report to? | Who reports to me?
        Which user created this? | Which user did this create?
        What killed him? | What did he kill?
        How many people does he manage? | How many people manage him?
        Do you owe me money? | Do I owe you money?
        Can I call you? | Can you call me?
        Should I lend him money? | Should he lend me money?
        Did his dog bite her? | Did her dog bite him?
        How do you protect my data? | How do I protect my data?
        How do I delete my account? | How do I delete your account?
        How are you doing? | How am I doing?
        How were you trained? | How was I trained?
        Who is teaching me? | Who is taught by me?
    """,
    "form": """
        Is the shop closing? | Is the shop closed?
        Am I boring? | Am I bored?
        Who is winning the election? | Who won the election?
        Who is the president? | Who has been the president?
        What have I paid? | What do I pay?
        Is my flight being cancelled? | Has my flight been cancelled?
    """,
    "asked": """
        When and where was Mozart born? | When was Mozart born?
        How and why did the Titanic sink? | How did the Titanic sink?
        What time does the class start? | Which day does the class start?
        Is it possible to copy DVDs? | Is it allowed to copy DVDs?
        Can I eat any mushroom? | Can I eat some mushrooms?
        When stocks fall, do bonds rise? | When bonds rise, do stocks fall?
    """,
    "signs": """
        What is 5!? | What is 5?
        What is -(2+3)? | What is (2+3)?
        What is 2+3*4? | What is (2+3)*4?
        What is 100/(5*2)? | What is (100/5)*2?
        What is the derivative of sin(x) + cos(x)? | What is the derivative of sin(x) - cos(x)?
        What is width * height? | What is width + height?
        What is total - tax? | What is total + tax?
        What is 10⁻³? | What is 10³?
        What does chmod +x do? | What does chmod -x do?
        What does ls -l do? | What does ls -L do?
        What does set -e do? | What does set e do?
        What does *args do? | What does args do?
        What does cd .. do? | What does cd . do?
        What is .NET? | What is net?
    """,
    "letters": """
        What is vitamin A? | What is a vitamin?
        How do I treat hepatitis A? | How do I treat hepatitis?
        How much is A$50 in yen? | How much is $50 in yen?
        Can I visit Japan in May? | Can I visit Japan?
        How is the weather in Rome in May? | How is the weather in Rome?
        Is CO toxic? | Is Co toxic?
        What is Mb? | What is MB?
    """,
    "beginning": """
        Morning sickness remedies | Sickness remedies
        Hello world program in C | World program in C
        Thank you letter template | Letter template
        OK Google settings | Google settings
    """,
    "language": """
        How do you say I love you in French? | How do you say love in French?
        How do I translate the dog? | How do I translate a dog?
        How do you spell their? | How do you spell they're?
        How do I pronounce I am? | How do I pronounce you are?
    """,
}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(*(side.strip() for side in line.split(" | ")), id=f"{kind}: {line.strip()}")
        for kind, lines in NEAR_MISSES.items()
        for line in lines.strip().splitlines()
    ],
)
def test_what_hangs_on_little_is_told_apart(one, other):
    assert gate(one, other) is not None
    assert gate(other, one) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Good morning! Hi, what is the capital of France?", "What is the capital of France?"),
        ("Well, how do I fix a leaky tap?", "How do I fix a leaking faucet?"),
        ("ok so how do I install Docker", "How do I install Docker?"),
        ("How do you boil an egg?", "How do I boil an egg?"),
        ("When was Mozart born?", "In what year was Mozart born?"),
        ("What time does the shop open?", "When does the shop open?"),
        ("Can I copy DVDs?", "Is it possible to copy DVDs?"),
        ("How do you say hello in French?", "How do I say hello in French?"),
        ("Translate good evening to French", "Translate good evening into French"),
        ("How do I set it up on a server?", "How do I set it up on the server?"),
        ("What is the price for a ticket to Rome?", "What is the price of a ticket to Rome?"),
        ("Can you send me my invoice?", "Could you send me my invoice?"),
        ("What is AI?", "what is ai"),
    ],
)
def test_what_hangs_on_nothing_still_passes(one, other):
    assert gate(one, other) is None
    assert gate(other, one) is None
