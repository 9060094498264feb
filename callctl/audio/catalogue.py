"""The shipped prompts: their names and what each says in each language; pure.

Read by audio.building, which makes the files, by flows.phrases, which names them, and by doctor.
A prompt's path is "callctl/" and its name. Those in numbered rows are whole sentences: a voice
that reads one sentence is understood better than words put together.
"""

from collections.abc import Mapping
from typing import NamedTuple

from callctl.audio.tones import MUSIC, TONES
from callctl.values.area import Area

LANGUAGES = ("zh", "en", "fr")
PLACES_MAX = 99  # the last place in a queue that is told as a number
MINUTES_EACH_MAX, MINUTES_MAX, MINUTES_STEP = 10, 60, 5


class Words(NamedTuple):
    """One sentence in each of LANGUAGES."""

    zh: str
    en: str
    fr: str


SENTENCES: dict[str, Words] = {
    "warning": Words(
        "您的余额不足，通话即将结束。",
        "Your account is almost empty. This call will end soon.",
        "Votre crédit est presque épuisé. L'appel va se terminer.",
    ),
    "final": Words("您的余额已用完。", "Your balance is used up.", "Votre crédit est épuisé."),
    "closed": Words(
        "您好，现在是非工作时间，请您在工作时间再拨。",
        "We are closed at the moment. Please call again during our opening hours.",
        "Nous sommes fermés actuellement. Merci de rappeler pendant nos heures d'ouverture.",
    ),
    "refused": Words(
        "对不起，您的来电无法接通。",
        "Sorry, your call cannot be accepted.",
        "Désolé, votre appel ne peut pas être accepté.",
    ),
    "busy": Words(
        "您好，线路正忙，请稍后再拨。",
        "All lines are busy. Please call again later.",
        "Toutes nos lignes sont occupées. Merci de rappeler plus tard.",
    ),
    "nobody-free": Words(
        "对不起，暂时无人接听，请稍后再拨。",
        "Sorry, nobody is free to take your call. Please call again later.",
        "Désolé, personne n'est libre pour prendre votre appel. Merci de rappeler plus tard.",
    ),
    "queue-full": Words(
        "对不起，当前排队人数已满，请稍后再拨。",
        "Sorry, too many callers are waiting. Please call again later.",
        "Désolé, trop de personnes sont en attente. Merci de rappeler plus tard.",
    ),
    "place/many": Words(
        "您前面还有很多来电，请耐心等待。",
        "There are many callers before you. Please be patient.",
        "Il y a de nombreux appels avant le vôtre. Merci de patienter.",
    ),
    "wait/long": Words(
        "预计等待时间超过一小时。",
        "The estimated wait is more than one hour.",
        "L'attente estimée est de plus d'une heure.",
    ),
    "call-for": Words("有来电，被叫号码", "A call for", "Un appel pour le"),
    "from": Words("来自", "from", "depuis"),
    "wrong-key": Words(
        "对不起，按键无效，请重新选择。",
        "Sorry, that key is not valid. Please try again.",
        "Désolé, cette touche n'est pas valable. Veuillez réessayer.",
    ),
    "invalid-extension": Words(
        "对不起，没有这个分机，请重新输入。",
        "Sorry, there is no such extension. Please try again.",
        "Désolé, ce poste n'existe pas. Veuillez réessayer.",
    ),
    "leave-a-message": Words(
        "您好，请在提示音后留言，留言结束请按井号键。",
        "Please leave a message after the tone. Press the pound key when you have finished.",
        "Veuillez laisser un message après le signal, puis appuyez sur la touche dièse.",
    ),
    "message-saved": Words(
        "您的留言已保存，再见。",
        "Your message has been saved. Goodbye.",
        "Votre message est enregistré. Au revoir.",
    ),
    "callback-promised": Words(
        "我们会尽快给您回电，再见。",
        "We will call you back as soon as possible. Goodbye.",
        "Nous vous rappellerons dès que possible. Au revoir.",
    ),
    "callback-refused": Words(
        "对不起，我们无法给您的号码回电，再见。",
        "Sorry, we cannot call your number back. Goodbye.",
        "Désolé, nous ne pouvons pas rappeler votre numéro. Au revoir.",
    ),
    "callback-for": Words("这是回拨电话，被叫号码", "A callback for", "Un rappel pour le"),
    "caller-unreached": Words(
        "对不起，对方无法接通，再见。",
        "Sorry, the caller does not answer. Goodbye.",
        "Désolé, votre correspondant ne répond pas. Au revoir.",
    ),
    "number-opened": Words("号码已开通。", "The number is open now.", "Le numéro est ouvert."),
    "number-closed": Words("号码已关闭。", "The number is closed now.", "Le numéro est fermé."),
    "number-on-schedule": Words(
        "号码按作息时间接听。",
        "The number follows its schedule now.",
        "Le numéro suit son horaire.",
    ),
    "code-refused": Words(
        "操作未被接受。", "That code is not accepted.", "Ce code n'est pas accepté."
    ),
}
"""Name -> words, but for the prompts that come in rows and those of areas."""

ATTENTION_HZ: dict[tuple[str, str], int] = {
    ("zh", "warning"): 1550,
    ("zh", "final"): 1700,
    ("en", "warning"): 1850,
    ("en", "final"): 2000,
    ("fr", "warning"): 2200,
    ("fr", "final"): 2350,
}
"""(language, name) -> the tone before the words, of prompts that sound into a talk."""

_TEN = "零一二三四五六七八九"


def wait_minutes() -> tuple[int, ...]:
    """The waits that are told, in minutes; 0 is less than one."""
    return (
        *range(MINUTES_EACH_MAX + 1),
        *range(MINUTES_EACH_MAX + MINUTES_STEP, MINUTES_MAX + 1, MINUTES_STEP),
    )


def spoken(language: str, places: Mapping[str, Area]) -> dict[str, str]:
    """Name -> words of every spoken prompt of one of LANGUAGES; `places` are areas by adcode.

    Chinese has each of the places, the other languages the provinces only.
    """
    column = LANGUAGES.index(language)
    made = {name: words[column] for name, words in SENTENCES.items()}
    for digit in range(10):
        made |= {f"{name}/{digit}": words[column] for name, words in _of_digit(digit).items()}
    made |= {f"place/{count}": _place(count)[column] for count in range(1, PLACES_MAX + 1)}
    made |= {f"wait/{minutes}": _wait(minutes)[column] for minutes in wait_minutes()}
    for adcode, area in places.items():
        if language == "zh":
            made[f"area/{adcode}"] = "".join(str(area).split())
        elif adcode.endswith("0000") and area.province_english:
            made[f"area/{adcode}"] = area.province_english
    return made


def unspoken() -> tuple[str, ...]:
    """The names of the prompts that are the same in every language."""
    return (*TONES, MUSIC)


def _of_digit(digit: int) -> dict[str, Words]:
    """The prompts of which there is one for each digit."""
    chinese = "幺" if digit == 1 else _TEN[digit]  # as telephone numbers are read
    return {
        "digit": Words(chinese, str(digit), str(digit)),
        "press": Words(
            f"接听请按{_TEN[digit]}。",
            f"Press {digit} to take the call.",
            f"Appuyez sur {digit} pour prendre l'appel.",
        ),
    }


def _place(count: int) -> Words:
    return Words(
        f"您排在第{_chinese(count)}位。",
        f"You are number {count} in the queue.",
        f"Vous êtes le numéro {count} dans la file d'attente.",
    )


def _wait(minutes: int) -> Words:
    if minutes == 0:
        return Words(
            "预计等待时间不到一分钟。",
            "The estimated wait is less than one minute.",
            "L'attente estimée est de moins d'une minute.",
        )
    chinese = "两" if minutes == 2 else _chinese(minutes)
    many = "s" if minutes > 1 else ""
    return Words(
        f"预计等待约{chinese}分钟。",
        f"The estimated wait is about {minutes} minute{many}.",
        f"L'attente estimée est d'environ {minutes if many else 'une'} minute{many}.",
    )


def _chinese(number: int) -> str:
    """A number from 0 to 99 as it is read."""
    tens, ones = divmod(number, 10)
    if tens == 0:
        return _TEN[ones]
    head = "十" if tens == 1 else f"{_TEN[tens]}十"
    return head + (_TEN[ones] if ones else "")
