"""Publishing again: our words are renewed, other people's survive, and what they changed in ours is noticed."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub_publisher.errors import CardError
from hub_publisher.readme import frontmatter
from hub_publisher.readme.merge import Merged, merge
from hub_publisher.readme.parse import NotYaml, decode, load, read_page, take_apart
from hub_publisher.readme.regions import Region, Stray, seal, split, unix
from hub_publisher.readme.validate import find_problems
from hub_publisher.text.characters import well_formed
from tests.helpers.merge import (
    METADATA,
    NAMES,
    NEW,
    OLD,
    PUBLISHED,
    card,
    has_markers,
    hashes,
    merged_text,
    region,
    settled,
)
from tests.readme.test_escape import texts


def test_nothing_there_or_the_same_there() -> None:
    assert f"\n{seal(read_page(NEW).body)}" == read_page(NEW).body
    for remote in (None, b"", b"\n", NEW.encode()):
        assert merge(remote, NEW, *PUBLISHED) == Merged(NEW.encode())
    crlf = NEW.replace("\n", "\r\n").encode()
    assert merge(crlf, NEW, *PUBLISHED) == Merged(crlf)


def test_a_region_is_replaced_in_its_place_and_the_text_around_it_stays() -> None:
    def page(content: str, gap: str) -> str:
        use, samples, about = (region(name, content) for name in NAMES)
        texts = ("my top\n", use, "my note\n\n\nand more\n", samples, about, "end")
        return f"{frontmatter.dump(METADATA)}\n{gap.join(texts)}"

    merged = merge(page("old", "").encode(), NEW, *PUBLISHED)
    assert merged.content.decode() == page("new", "\n") + "\n"
    assert merged.conflicts == merged.repairs == ()
    assert merged.kept == (
        '1 line at the top: "my top"',
        '2 lines after region use: "my note and more"',
        '1 line after region about: "end"',
    )
    settled(merged)


def test_our_page_begins_a_line_below_its_front_matter() -> None:
    assert merged_text(OLD.replace("---\n\n", "---\n")) == NEW


def test_a_person_may_move_our_regions() -> None:
    assert merged_text(card("old", ("about", "use", "samples"))) == card("new", ("about", "use", "samples"))


@pytest.mark.parametrize("names", [NAMES[1:], NAMES[:2], ("use", "about"), ("about",), ("samples",)])
def test_a_region_new_to_our_card_comes_where_our_card_has_it(names: tuple[str, ...]) -> None:
    assert merged_text(card("old", names), NEW, (METADATA, hashes(names=names))) == NEW
    note = f"{card('old', names)}\nmy note\n"
    assert merged_text(note, NEW, (METADATA, hashes(names=names))).replace("\nmy note\n", "") == NEW


def test_a_new_region_comes_right_behind_the_one_before_it() -> None:
    old = f"{card('old', ('use',))}my note\n{region('about', 'old')}"
    new = f"{card('new', ('use', 'samples'))}\nmy note\n\n{region('about', 'new')}"
    assert merged_text(old, NEW, (METADATA, hashes(names=("use", "about")))) == new
    adjacent = card("old", ("use",)) + region("about", "old")
    assert merged_text(adjacent, NEW, (METADATA, hashes(names=("use", "about")))) == NEW


@pytest.mark.parametrize("gone", NAMES)
def test_a_region_that_our_card_has_no_more_disappears(gone: str) -> None:
    names = tuple(name for name in NAMES if name != gone)
    assert merged_text(OLD, card("new", names)) == card("new", names)


def test_where_a_region_disappears_two_texts_stay_two_paragraphs() -> None:
    old = f"{card('old', ('use',))}one\n{region('samples', 'old')}two\n"
    assert merged_text(old, card("new", ("use",))) == f"{card('new', ('use',))}\none\n\ntwo\n"
    old = f"{card('old', ('use',))}one\n\n{region('samples', 'old')}\ntwo\n"
    assert merged_text(old, card("new", ("use",))) == f"{card('new', ('use',))}\none\n\ntwo\n"


def test_our_card_stands_above_what_a_card_of_other_regions_held_besides() -> None:
    old = f"{frontmatter.dump(METADATA)}\nmy note\n\n{region('one', 'old')}\n{region('two', 'old')}\nend\n"
    assert merged_text(old, NEW, (METADATA, hashes(names=("one", "two")))) == f"{NEW}\nmy note\n\nend\n"


def test_an_edit_within_a_region_is_a_conflict() -> None:
    edited = OLD.replace("old", "my", 1).encode()
    merged = merge(edited, NEW, *PUBLISHED)
    assert merged.conflicts == ("region use was edited by hand",)
    assert merged.content.decode() == NEW
    settled(merged)
    assert merge(edited, NEW, METADATA, None).conflicts == ()  # nothing tells what we wrote


def test_a_region_that_says_what_another_said_was_edited() -> None:
    merged = merge(OLD.replace("## use\n", "## about\n").encode(), NEW, *PUBLISHED)
    assert merged.conflicts == ("region use was edited by hand",)


def test_a_region_of_a_name_that_we_did_not_publish_is_a_conflict() -> None:
    merged = merge(f"{OLD}\n{region('mine', 'old')}".encode(), NEW, *PUBLISHED)
    assert merged.conflicts == ("region mine was edited by hand",)


def test_a_card_whose_markers_hold_hashes_is_ours_too() -> None:
    """As every version up to 0.1 wrote them; a wrong one says nothing."""
    old = OLD
    for name, sha256 in zip(NAMES, (*hashes().values(),), strict=True):
        old = old.replace(f"begin {name} -->", f"begin {name} sha256={sha256 if name != 'use' else '0' * 64} -->")
    assert merged_text(old) == NEW
    assert merge(old.replace("old", "my", 1).encode(), NEW, *PUBLISHED).conflicts == ("region use was edited by hand",)


def test_an_edit_that_says_what_we_say_is_none() -> None:
    assert merged_text(OLD.replace("old", "new", 1)) == NEW


def test_a_region_that_a_person_took_out_is_a_conflict_if_it_was_published() -> None:
    merged = merge(card("old", ("use", "about")).encode(), NEW, *PUBLISHED)
    assert merged.conflicts == ("region samples was removed by hand",)
    assert merged.content.decode() == NEW
    settled(merged)
    assert merged_text(card("old", ("use", "about")), NEW, (METADATA, None)) == NEW


BEGIN = region("samples", "old").partition("\n")[0] + "\n"
END = "<!-- hub-publisher:end samples -->\n"


@pytest.mark.parametrize("lost", [BEGIN, END])
def test_a_lost_marker_is_a_conflict_and_no_text_is_lost(lost: str) -> None:
    merged = merge(f"{OLD}\nend".replace(lost, "my note\n").encode(), NEW, *PUBLISHED)
    assert merged.conflicts == ("region samples has lost a marker; what stood there is kept as text",)
    text = merged.content.decode()
    assert text.replace("my note\n", "").replace("## samples\n\nold\n", "").split() == f"{NEW}\nend".split()
    settled(merged)


def test_a_lost_marker_takes_no_place_from_its_whole_region() -> None:
    merged = merge(OLD.replace("---\n\n", f"---\n\nmy note\n{BEGIN}\n").encode(), NEW, *PUBLISHED)
    assert merged.conflicts == ("region samples has lost a marker; what stood there is kept as text",)
    assert merged.content.decode() == NEW.replace("---\n\n", "---\n\nmy note\n\n")


def test_a_region_within_a_region_leaves_both() -> None:
    old = OLD.replace(BEGIN, "").replace("## use\n", f"## use\n{BEGIN}")
    merged = merge(old.encode(), NEW, *PUBLISHED)
    assert merged.conflicts == tuple(
        f"region {name} has lost a marker; what stood there is kept as text" for name in ("use", "samples")
    )
    assert {part.name for part in split(merged.content.decode()) if isinstance(part, Region)} == set(NAMES)
    settled(merged)


def test_a_region_that_comes_twice_is_a_conflict() -> None:
    merged = merge(f"{OLD}\n{region('use', 'old')}\nend\n".encode(), NEW, *PUBLISHED)
    assert merged.conflicts == ("region use comes more than once",)
    assert merged.content.decode() == f"{NEW}\nend\n"
    settled(merged)
    merged = merge(f"{OLD}\n{region('use', 'mine')}".encode(), NEW, *PUBLISHED)
    assert merged.conflicts == ("region use comes more than once", "region use was edited by hand")


def test_our_card_stands_above_one_that_has_nothing_of_ours() -> None:
    old = (
        "---\nlanguage: en\nthumbnail: http://x.example/a.png\ntags:\n- huggingtweets\nwidget:\n- text: My dream is\n"
        "---\n\n<div>\n# Old  \n"
    )
    merged = merge(old.encode(), NEW)
    added = {"tags": [*METADATA["tags"], "huggingtweets"]}
    metadata = METADATA | added | {"language": "en", "thumbnail": "http://x.example/a.png"}
    assert merged.content.decode() == f"{card('new', metadata=metadata)}\n<div>\n# Old  \n"
    assert merged.conflicts == merged.repairs == ()
    assert merged.kept == (
        '2 lines after region about: "<div> # Old"',
        'front matter: the tag "huggingtweets"',
        "front matter: the key language",
        "front matter: the key thumbnail",
    )
    settled(merged)
    settled(merged, published=(None, None))
    assert merge(b"# Old", NEW).content.decode() == f"{NEW}\n# Old\n"


def test_a_card_that_a_person_wrote_in_place_of_ours_is_a_conflict() -> None:
    merged = merge(f"{frontmatter.dump(METADATA)}# My own".encode(), NEW, *PUBLISHED)
    removed = tuple(f"region {name} was removed by hand" for name in NAMES)
    assert merged.conflicts == removed
    assert merged.content.decode() == f"{NEW}\n# My own\n"
    without_metadata = merge(b"# My own", NEW, *PUBLISHED)
    assert without_metadata.content == merged.content
    assert without_metadata.conflicts[:4] == (*removed, 'front matter: the tag "hub-publisher" was removed by hand')


def test_a_broken_front_matter_of_ours_is_refused() -> None:
    with pytest.raises(CardError) as caught:
        merge(OLD.encode(), NEW.replace('license: "mit"', 'license: "mit'))
    assert caught.value.message.startswith("The front matter of README.md cannot be read: ")


# Foreign text: what people write, without our own markers.
foreign = texts.map(well_formed).map(unix).filter(lambda text: not has_markers(text))


@given(top=foreign, notes=st.tuples(foreign, foreign), end=foreign, is_crlf=st.booleans())
@settings(max_examples=150, deadline=None)
@example(top="---\nlicense: x\n---", notes=("```", "<!--"), end="---", is_crlf=True)
def test_foreign_text_survives_unchanged(top: str, notes: tuple[str, str], end: str, is_crlf: bool) -> None:
    """But for the blank lines around it."""

    def page(content: str) -> list[str]:
        use, samples, about = (region(name, content) for name in NAMES)
        return [f"{top}\n", use, f"{notes[0]}\n", samples, f"{notes[1]}\n", about, end]

    head, line_end = frontmatter.dump(METADATA), "\r\n" if is_crlf else "\n"
    merged = merge(f"{head}\n{''.join(page('old'))}".replace("\n", line_end).encode(), NEW, *PUBLISHED)
    spaced = "\n\n".join(text.strip("\n") for text in page("new") if text.strip())
    assert merged.content == f"{head}\n{spaced}\n".replace("\n", line_end).encode()
    assert merged.conflicts == merged.repairs == ()
    settled(merged)


def is_readable(text: str) -> bool:
    """Whether the front matter of `text`, if it has any, is YAML."""
    try:
        load(take_apart(text)[0])
    except NotYaml:
        return False
    return True


@given(text=foreign)
@settings(max_examples=150, deadline=None)
@example(text="---\nlicense: mit\n\nx")
def test_a_card_without_our_markers_survives_below_ours(text: str) -> None:
    remote = text.encode()
    if not is_readable(text):
        with pytest.raises(CardError, match="cannot be read"):
            merge(remote, NEW)
        return
    merged = merge(remote, NEW)
    body = read_page(text).body
    below = f"\n{body.strip(chr(10))}\n" if body.strip() else ""
    assert merged.content.decode().endswith(f"{read_page(NEW).body}{below}")
    settled(merged)


LINES = (f"{OLD}\nForeign Ada\n\n---\n\nForeign Bob\n").replace(BEGIN, f"Foreign Cleo\n\n{BEGIN}").encode().split(b"\n")
STRANGE = [b"---", b"Foreign Dan", b"\xff", b"\r", b"\t: [", b"\xef\xbb\xbf"]
places = st.integers(0, len(LINES) - 1)
damages = st.one_of(
    st.tuples(st.just("delete"), places, st.just(b"")),
    st.tuples(st.just("double"), places, st.just(b"")),
    st.tuples(st.just("swap"), places, places),
    st.tuples(st.just("insert"), places, st.sampled_from(STRANGE)),
    st.tuples(st.just("corrupt"), places, st.binary(min_size=1, max_size=3)),
)  # fmt: skip


def damaged(lines: list[bytes], damage: tuple[str, int, Any]) -> None:
    kind, at, what = damage
    at = min(at, len(lines) - 1)
    if kind == "delete" and len(lines) > 1:
        del lines[at]
    elif kind == "double":
        lines.insert(at, lines[at])
    elif kind == "swap":
        other = min(what, len(lines) - 1)
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == "insert":
        lines.insert(at, what)
    elif kind == "corrupt":
        middle = len(lines[at]) // 2
        lines[at] = lines[at][:middle] + what + lines[at][middle:]


@given(damage=st.lists(damages, min_size=1, max_size=6), is_known=st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_damage_crashes_or_loses_a_foreign_line_in_silence(damage: list, is_known: bool) -> None:
    lines = list(LINES)
    for each in damage:
        damaged(lines, each)
    remote = b"\n".join(lines)
    published = PUBLISHED if is_known else (None, None)
    there = decode(remote)[0]
    if not is_readable(there):
        with pytest.raises(CardError, match="cannot be read"):
            merge(remote, NEW, *published)
        return
    merged = merge(remote, NEW, *published)
    settled(merged, published=published)
    text = merged.content.decode()
    assert {part.name for part in split(text) if isinstance(part, Region)} == set(NAMES)
    assert not any(isinstance(part, Stray) for part in split(text))
    assert find_problems(read_page(text).metadata) == []
    inside = [part.content for part in split(read_page(there).body) if isinstance(part, Region)]
    for name in ("Ada", "Bob", "Cleo", "Dan"):
        if f"Foreign {name}".encode() in lines and f"Foreign {name}" not in text:
            assert any(f"Foreign {name}" in part for part in inside)
            assert merged.conflicts or not is_known
