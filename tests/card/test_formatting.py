"""Numbers as a reader wants them, at the edges too."""

import pytest

from hub_publisher.card import formatting


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(0, 5, "0 %"), (1, 3000, "under 0.1 %"), (1, 300, "0.3 %"), (1, 3, "33 %"), (299, 300, "99.7 %"),
     (2999, 3000, "over 99.9 %"), (3, 3, "100 %"), (1, 0, "0 %")],
)  # fmt: skip
def test_a_few_are_not_none_and_nearly_all_are_not_all(part: int, whole: int, shown: str) -> None:
    assert formatting.percent(part, whole) == shown


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formatting.number(12345), "12,345"),
        (formatting.number(-90), "−90"),
        (formatting.number(1, "post"), "1 post"),
        (formatting.number(0, "e-mail address"), "0 e-mail addresses"),
        (formatting.fixed(-1.11, 3), "−1.110"),
        (formatting.fixed(1.11, 1, "+"), "+1.1"),
        (formatting.significant(0), "0"),
        (formatting.significant(0.000999), "9.99e-04"),
        (formatting.significant(0.001), "0.00100"),
        (formatting.significant(38.44), "38.4"),
        (formatting.significant(999.4), "999"),
        (formatting.significant(999.6), "1,000"),
        (formatting.significant(123456.7), "123,457"),
        (formatting.duration(8.06), "8.1 s"),
        (formatting.duration(59.94), "59.9 s"),
        (formatting.duration(59.97), "1 min 0 s"),
        (formatting.duration(3599.7), "1 h 0 min"),
        (formatting.duration(11130), "3 h 5 min"),
        (formatting.size(999), "999 bytes"),
        (formatting.size(1000), "1 kB"),
        (formatting.size(999_700), "1 MB"),
        (formatting.size(2_310_000_000), "2.3 GB"),
        (formatting.listing([]), ""),
        (formatting.listing(["a"]), "a"),
        (formatting.listing(["a", "b", "c"]), "a, b and c"),
        (formatting.versions({"posts": "v0", "model": "v3"}), "posts (v0) and model (v3)"),
        (formatting.millions(999_999), "999,999"),
        (formatting.millions(134_515_008), "134.5 million"),
        (formatting.millions(999_900_000), "999.9 million"),
        (formatting.millions(999_960_000), "1.0 billion"),
    ],
)
def test_a_number_is_written_for_its_reader(shown: str, expected: str) -> None:
    assert shown == expected


def test_what_is_thinned_keeps_its_end() -> None:
    assert formatting.thinned(range(1, 101), 20) == range(5, 101, 5)
    assert list(formatting.thinned((1, 2, 3, 4, 5), 2)) == [2, 5]
    assert formatting.thinned((), 2) == ()
