"""Languages by script and common words: told where they can be, left open where not."""

from __future__ import annotations

import pytest

from pipeline.text.languages import KNOWN, language


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The delivery was late and the box is broken", "en"),
        ("Die Lieferung kam zu spät und die Verpackung war beschädigt", "de"),
        ("Super Qualität, ich bin sehr zufrieden damit", "de"),
        ("Muy mala calidad, se rompió en dos días", "es"),
        ("Me encanta, llegó rápido y funciona muy bien", "es"),
        ("Je suis très déçu, le produit ne marche pas", "fr"),
        ("Non funziona, sono molto deluso di questo acquisto", "it"),
        ("Não gostei, o produto veio com defeito e não funciona", "pt"),
        ("Ik ben niet tevreden, het is te klein", "nl"),
        ("质量很差，两天就坏了", "zh"),
        ("とても良い商品です", "ja"),
        ("배송이 빨라요", "ko"),
        ("Очень плохое качество", "ru"),
        ("great 😂", None),
        ("👍👍 !!!", None),
        ("lol 很 ok nice one", None),
        ("", None),
    ],
)
def test_a_text_is_told_by_script_or_common_words(text: str, code: str | None) -> None:
    assert language(text) == code
    assert code is None or code in KNOWN
