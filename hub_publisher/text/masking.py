"""Addresses and numbers of people masked, and text that a tokenizer would take for a command made plain."""

import re

EMAIL_MASK = "[e-mail]"
PHONE_MASK = "[phone]"

_EMAIL_HINT = re.compile(r"@(?<=[A-Za-z0-9._%+-]@)[A-Za-z0-9]")  # the rare character first
# The name before the @ is bounded and cannot start inside a longer one, so that searching stays linear. A second @
# before it makes it a name on another server (@user@mastodon.social), which is no e-mail address.
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+@-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,63}(?![A-Za-z0-9])"
)

# <|...|>, <s>, </s>, <pad>, <start_of_turn>, <extra_id_0>, <<SYS>>, the full-width bars of some; and [INST] and
# its kin, whose names are listed because people write [VIDEO] and [LIVE] in brackets too.
_ANGLED = re.compile(r"<([|｜][^<>\n]{0,100}[|｜]|[|｜/]{0,2}[A-Za-z][\w|｜▁:./-]{0,100}|0x[0-9A-Fa-f]{2})>")
_BRACKETED = re.compile(
    r"\[(/?(?:INST|CLS|SEP|PAD|MASK|UNK|BOS|EOS|gMASK|sMASK|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|AVAILABLE_TOOLS"
    r"|SYSTEM_PROMPT|IMG|IMG_BREAK|IMG_END|PREFIX|MIDDLE|SUFFIX|THINK|ARGS|CALL_ID|control_\d{1,3}|unused\d{1,4}))\]"
)

_SEVEN_DIGITS = re.compile(r"[0-9](?:[^0-9]{0,3}[0-9]){6}")
# ASCII letters, because in 電話03-1234-5678まで the number stands alone
_BEFORE = r"(?<![A-Za-z0-9_$€£¥#.,+:/-])"
_AFTER = r"(?![A-Za-z0-9_%]|[.,:/-][0-9])"
_GAP = r"[ .‑-]"
_INTERNATIONAL = (
    r"(?<![A-Za-z0-9_+])(?P<plus>\+\(?[1-9][0-9 ().‑/-]{6,22}[0-9])(?![0-9])"  # +49 30 123456, +1 (212) 555-0123
)
# (212) 555-0123, 212-555-0123, 1 212 555 0123: area code and exchange never start with 0 or 1
_AREA = r"[2-9][0-9]{2}"
_AMERICAN = (
    rf"{_BEFORE}(?P<american>(?:1{_GAP}?)?(?:\({_AREA}\){_GAP}?|{_AREA}[.‑-]){_AREA}{_GAP}[0-9]{{4}}"
    rf"|1{_GAP}{_AREA}{_GAP}{_AREA}{_GAP}[0-9]{{4}}){_AFTER}"
)
# 030 1234567, 03-1234-5678, 01 23 45 67 89, 07700900123: a leading zero, which no count has
# (a group of zeros behind another group belongs to a count: 1 000 000 000)
_TRUNK = (
    rf"(?<![0-9][ .]){_BEFORE}(?P<trunk>\(?00?[1-9][0-9]{{0,3}}\)?[ .‑/-][0-9]{{2,8}}"
    r"(?:(?P<gap>[ .‑/-])[0-9]{2,8}(?:(?P=gap)[0-9]{2,8}){0,3})?"
    rf"|0[1-9][0-9]{{8,9}}){_AFTER}"
)
# tel. 5550123, call me at 555 0123
_LED = (
    r"\b(?P<lead>(?:tel|telephone|telefon|phone|ph|fax|whatsapp|mobile|mob|cell|hotline|call|dial|sms)\b[.:]?"
    r"(?: ?\b(?:me|us|now|at|on|under|number|is|no)\b[.:]?){0,3} ?)"
    r"(?P<led>[0-9(][0-9 ().‑-]{5,18}[0-9])" + _AFTER
)
_PHONE = re.compile("|".join((_INTERNATIONAL, _AMERICAN, _TRUNK, _LED)), re.IGNORECASE)
# what may follow "call" or a plus as well: a count, a decimal number, a date or two years
_PLAIN_NUMBER = re.compile(
    r"(?:\+?[0-9]{1,3}([ .])[0-9]{3}(?:\1[0-9]{3})*|[0-9]+\.[0-9]+)$"
    r"|[0-9]{1,2}[ .-][0-9]{1,2}[ .-](?:[0-9]{2}|[0-9]{4})|[0-9]{4}[ .-][0-9]{1,2}[ .-][0-9]{1,2}"
    r"|(?:19|20)[0-9]{2}(?: ?- ?| )(?:19|20)[0-9]{2}"
)
_ZIP_CODE = re.compile(r"0[0-9]{4}-[0-9]{4}")  # of the United States, with its extension


def mask_emails(text: str) -> tuple[str, int]:
    """`text` with e-mail addresses as [e-mail], and how many there were."""
    return _EMAIL.subn(EMAIL_MASK, text) if "@" in text and _EMAIL_HINT.search(text) else (text, 0)


def neutralise_special_tokens(text: str) -> tuple[str, int]:
    """`text` in which no tokenizer finds a special token, and how many there would have been.

    A space behind the opening and before the closing bracket is enough: `<|endoftext|>` becomes `< |endoftext| >`,
    which reads the same and is tokenized as plain characters.
    """
    num_angled = num_bracketed = 0
    if "<" in text:
        text, num_angled = _ANGLED.subn(r"< \1 >", text)
    if "[" in text:
        text, num_bracketed = _BRACKETED.subn(r"[ \1 ]", text)
    return text, num_angled + num_bracketed


def mask_phone_numbers(text: str) -> tuple[str, int]:
    """`text` with telephone numbers as [phone], and how many there were.

    Meant to let pass what is no telephone number rather than to find the last one: dates, years, scores, prices,
    times and counts stay. Numbers count as telephone numbers by an international prefix, the American or a
    leading-zero grouping, or a word such as "call" before them.
    """
    masked = _PHONE.sub(_masked, text) if _SEVEN_DIGITS.search(text) else text
    return masked, masked.count(PHONE_MASK) - text.count(PHONE_MASK)


def _masked(match: re.Match[str]) -> str:
    kind = match.lastgroup or ""
    number = match[kind]
    if kind == "plus":
        number = _at_most_15_digits(number)
    if not _IS_PHONE[kind](number, sum(map(str.isdigit, number))):
        return match[0]
    return (match["lead"] or "") + PHONE_MASK + match[kind][len(number) :]


def _at_most_15_digits(number: str) -> str:
    """The number without the groups that cannot belong to it any more (E.164: 15 digits at most)."""
    while sum(map(str.isdigit, number)) > 15 and (cut := re.search(r"[^0-9]+[0-9]+$", number)):
        number = number[: cut.start()]
    return number


_IS_PHONE = {
    # +1 234 567 may be an increase; from ten digits on it is a telephone number
    "plus": lambda number, digits: (
        10 <= digits <= 15 or (8 <= digits < 10 and not number[1:].isdigit() and not _PLAIN_NUMBER.match(number))
    ),
    "american": lambda number, digits: True,
    "trunk": lambda number, digits: 9 <= digits <= 15 and not _ZIP_CODE.fullmatch(number),
    "led": lambda number, digits: 7 <= digits <= 15 and not _PLAIN_NUMBER.match(number),
}
