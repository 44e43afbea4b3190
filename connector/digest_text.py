"""The digest's words, in English and French."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import msgspec

from lengow.connector.digest import KINDS, Digest, Problem
from lengow.connector.reasons import REASONS
from lengow.connector.reasons_french import REASONS_FRENCH

LISTED = 25
"""How many problems of a kind are listed; of the others, the number is told."""

LONGEST_ABOUT = 200

Language = Literal["en", "fr"]


class _Words(msgspec.Struct, frozen=True):
    subject: str
    opening: str
    headings: dict[str, str]
    more: str
    until: str
    do: str
    still_open: str
    closing: str
    moment: str
    colon: str


WORDS: dict[str, _Words] = {
    "en": _Words(
        subject="Lengow {account}: {count} new: {first}",
        opening="New for the account {account} at {at}:",
        headings={
            "late_order": "Late: the shipping deadline has passed and no shipment was told",
            "near_order": "To be shipped soon",
            "failed_order": "Orders that could not be imported",
            "action": "Confirmations that the marketplace or Lengow did not take",
            "change": "Changes at Lengow that a person decides on",
            "event": "Shop events that could not be worked off",
            "work": "Invoices and feeds that wait for a person",
            "step": "Work that failed for good and waits for a person",
        },
        more="… and {count} more",
        until="until {at}",
        do="To do: {what}",
        still_open="Open in all: {counts}.",
        closing="See them all: lengow-connector orders list --state failed, orders late, actions list, steps list --held",
        moment="%Y-%m-%d %H:%M UTC",
        colon=":",
    ),
    "fr": _Words(
        subject="Lengow {account} : {count} à traiter : {first}",
        opening="Nouveau pour le compte {account}, le {at} :",
        headings={
            "late_order": "En retard : la date limite d’expédition est passée sans expédition annoncée",
            "near_order": "À expédier bientôt",
            "failed_order": "Commandes qui n’ont pas pu être importées",
            "action": "Confirmations que la place de marché ou Lengow n’a pas prises",
            "change": "Changements chez Lengow, à décider par une personne",
            "event": "Événements de la boutique qui n’ont pas pu être traités",
            "work": "Factures et flux en attente d’une personne",
            "step": "Travaux définitivement en échec, à reprendre par une personne",
        },
        more="… et {count} de plus",
        until="avant le {at}",
        do="À faire : {what}",
        still_open="En attente au total : {counts}.",
        closing="Tout voir : lengow-connector orders list --state failed, orders late, actions list, steps list --held",
        moment="%d/%m/%Y à %H:%M UTC",
        colon=" :",
    ),
}


def digest_text(digest: Digest, language: Language) -> tuple[str, str]:
    """Subject and text of the mail."""
    words = WORDS[language]
    first = words.headings[digest.new[0].kind].partition(words.colon)[0] if digest.new else "–"
    subject = words.subject.format(account=digest.account, count=len(digest.new), first=first)
    return subject, "\n".join(_lines(digest, words, language)) + "\n"


def _lines(digest: Digest, words: _Words, language: Language) -> Iterator[str]:
    yield words.opening.format(account=digest.account, at=_moment(digest.at, words))
    for kind in KINDS:
        of_kind = [one for one in digest.new if one.kind == kind]
        if not of_kind:
            continue
        yield ""
        yield f"{words.headings[kind]} ({len(of_kind)})"
        for one in of_kind[:LISTED]:
            yield from _problem(one, words, language)
        if len(of_kind) > LISTED:
            yield f"  {words.more.format(count=len(of_kind) - LISTED)}"
    yield ""
    counts = "; ".join(
        f"{words.headings[kind].partition(':')[0].strip()}{words.colon} {count}" for kind, count in digest.open.items()
    )
    yield words.still_open.format(counts=counts)
    yield words.closing


def _problem(one: Problem, words: _Words, language: Language) -> Iterator[str]:
    if one.kind in ("late_order", "near_order"):
        yield f"- {one.subject}, {words.until.format(at=_moment(one.at, words))}"
        return
    reason = (REASONS_FRENCH if language == "fr" else REASONS).get(one.reason)
    yield f"- {one.subject}{words.colon} {reason.sentence if reason else one.reason}"
    if one.about:
        yield f"  {' '.join(one.about.split())[:LONGEST_ABOUT]}"
    if reason:
        yield f"  {words.do.format(what=reason.what_to_do)}"


def _moment(at: datetime | None, words: _Words) -> str:
    return at.strftime(words.moment) if at else "?"
