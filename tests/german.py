"""Invented reviews in German: umlauts, ß, emoji, long words, a dialect's spelling; twelve of each class."""

NEGATIVE = """\
Die Lieferung kam drei Wochen zu spät und der Karton war völlig durchnässt 😡
Nie wieder! Der Kundendienst ist unfreundlich und antwortet auf keine einzige Mail.
Der Griff ist schon nach zwei Tagen abgebrochen, so ein Müll.
Leider kaputt angekommen, und auf mein Geld warte ich bis heute 👎🏽
Das Schloss klemmt, die Tür schließt nicht richtig, außerdem riecht alles nach Kleber.
Völlig überteuert für das bisschen Blech. Finger weg!
Die Größe stimmt überhaupt nicht, ich musste zweimal zurückschicken 🙄
Ich ärgere mich jeden Morgen über diese Kaffeemaschine, sie tropft und lärmt.
Hotelzimmer dreckig, Frühstück kalt, und an der Straße kein Auge zugetan 😤
Gebrauchsanweisung nur auf Chinesisch, Aufbau unmöglich. Enttäuschend.
sooo schlecht, i hob no nia so an schmarrn kaft
Nach dem Waschen war die grüne Bluse zwei Nummern kleiner. Furchtbar!"""
NEUTRAL = """\
Es ist ein Eimer. Er hält Wasser, mehr kann man nicht sagen.
Geht so, für den Preis in Ordnung, aber nichts Besonderes 🤷‍♀️
Die Füße des Regals sind aus Kunststoff, die Böden aus Buche, Maße wie angegeben.
Bestellt am Montag, geliefert am Donnerstag, Rechnung lag bei.
Mittelmäßiges Essen, dafür eine nette Aussicht über den Fluss.
Der Akku hält etwa einen Tag, das ist bei allen Geräten dieser Klasse so.
Weder besonders gut noch besonders schlecht, eben ein Schlüsselanhänger.
Ich habe das Buch zur Hälfte gelesen und kann noch nichts dazu sagen 😐
Die Farbe heißt Türkis, ist aber eher ein helles Grün.
Passt auf ein gewöhnliches Fahrrad, Werkzeug wird nicht mitgeliefert.
Der Film dauert zwei Stunden und spielt in Köln.
War beim zweiten Mal okay, beim ersten Mal nicht."""
POSITIVE = """\
Wunderschöne Schüssel, genau wie auf dem Foto, vielen lieben Dank 😍
Sehr gute Verarbeitung und superschnelle Lieferung, gerne wieder!
Der Käsekuchen war köstlich und die Bedienung herzlich ❤️
Hält seit drei Jahren, täglich benutzt, kein Kratzer. Großartig!
Endlich ein Rucksack, der meinen Rücken schont 👍🏽
Die Größe passt perfekt und der Stoff fühlt sich weich an 🥰
Bester Zahnarzt weit und breit, ich hatte überhaupt keine Schmerzen.
Tolles Spiel für lange Winterabende, die ganze Familie ist begeistert 🎉
Süßes Café mit gemütlichen Sesseln, wir kommen bestimmt bald zurück.
Trotz Schneesturm pünktlich geliefert, und der Fahrer war unglaublich freundlich.
Leise, sparsam, leicht zu reinigen: genau das habe ich gesucht.
Mega! Klang wie im Konzertsaal, und das für so wenig Geld 🤩"""
REVIEWS = [
    {"text": text, "label": label}
    for label, said in (("negative", NEGATIVE), ("neutral", NEUTRAL), ("positive", POSITIVE))
    for text in said.splitlines()
]
