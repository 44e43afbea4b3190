"""*Nothing lost, nothing doubled* sees what it should see, and nothing else."""

from dataclasses import replace
from decimal import Decimal

import pytest

from lengow.sandbox import HeldOrder, ShopHoldings, Tracking, reconcile

SENT = Tracking("DPD", "T1")


def held(sold, shipped=None, total=None):
    return HeldOrder(sold.marketplace, sold.order_id, tuple(line.id for line in sold.lines), total, shipped)


def importable(ledger, fulfilment=False):
    return [sold for sold in ledger.sold if sold.expected and (fulfilment or not sold.fulfilment)]


@pytest.fixture
def ledger(api, sandbox, account):
    kinds = dict.fromkeys(
        ["standard", "fulfilment", "pending", "multi_line", "multi_package", "refused", "canceled", "anonymized"], 2
    )
    sandbox.sell(account.account_id, 16, kinds)
    sandbox.sell(account.account_id, 1, {"late": 1})
    sandbox.advance(minutes=15)
    return sandbox.ledger()


def compare(ledger, account, orders, **shop):
    return reconcile(ledger, {account.account_id: ShopHoldings(orders, **shop)})


def test_a_shop_that_holds_all_that_is_to_be_imported(ledger, account):
    result = compare(ledger, account, [held(sold, total=sold.total) for sold in importable(ledger)])
    assert result.clean
    assert result.all_confirmed
    assert result.expected == result.held > 0
    assert {sold.kind for sold in importable(ledger)} == {"standard", "multi_line", "multi_package"}


def test_a_package_may_be_an_order_of_its_own(ledger, account):
    orders = [
        HeldOrder(sold.marketplace, sold.order_id, package) for sold in importable(ledger) for package in sold.packages
    ]
    assert compare(ledger, account, orders).clean
    result = compare(ledger, account, orders[:-1])
    assert {finding.line_id for finding in result.lost} == set(orders[-1].line_ids)


def test_an_order_that_is_not_there_is_lost(ledger, account):
    first, *others = importable(ledger)
    result = compare(ledger, account, [held(sold) for sold in others])
    assert {finding.order_id for finding in result.lost} == {first.order_id}
    assert not result.clean


def test_an_account_without_a_shop_has_lost_everything(ledger):
    assert len({finding.order_id for finding in reconcile(ledger, {}).lost}) == len(importable(ledger, True))


def test_a_line_held_twice_is_doubled(ledger, account):
    orders = [held(sold) for sold in importable(ledger)]
    result = compare(ledger, account, [*orders, orders[0]])
    assert {finding.order_id for finding in result.doubled} == {orders[0].marketplace_order_id}
    two_shops = {account.account_id: [ShopHoldings(orders), ShopHoldings(orders[:1])]}
    assert reconcile(ledger, two_shops).doubled == result.doubled


def test_fulfilment_orders_are_expected_with_the_toggle_and_unexpected_without(ledger, account):
    without, with_them = ([held(sold) for sold in importable(ledger, fulfilment)] for fulfilment in (False, True))
    assert compare(ledger, account, with_them, imports_fulfilment=True).clean
    assert len(compare(ledger, account, without, imports_fulfilment=True).lost) == 2
    result = compare(ledger, account, with_them)
    assert {finding.what for finding in result.unexpected} == {"is delivered by the marketplace"}


def test_what_is_not_importable_is_unexpected(ledger, account):
    orders = [held(sold) for sold in ledger.sold if not sold.fulfilment]
    result = compare(ledger, account, orders)
    by_kind = {sold.order_id: sold.kind for sold in ledger.sold}
    unexpected = {by_kind[finding.order_id] for finding in result.unexpected}
    assert unexpected == {"pending", "refused", "canceled", "anonymized", "late"}
    stranger = HeldOrder("manomano_fr", "M1", ("M1-1",))
    assert compare(ledger, account, [stranger]).unexpected[0].what == "was never sold to this account"


def test_once_held_a_later_cancel_is_no_error(api, sandbox, ledger, account):
    orders = [held(sold) for sold in importable(ledger)]
    sandbox.cancel(orders[0].marketplace_order_id)
    sandbox.anonymize(orders[1].marketplace_order_id)
    sandbox.advance(minutes=15)
    assert compare(sandbox.ledger(), account, orders).clean
    assert compare(sandbox.ledger(), account, orders[2:]).clean


def test_lines_cancelled_within_an_order_are_not_expected(api, sandbox, account):
    order_id = api.sells("multi_line")
    lines = [line.id for line in sandbox.ledger().sold[0].lines]
    sandbox.cancel(order_id, line_ids=lines[:1])
    sandbox.advance(minutes=15)
    order = HeldOrder("manomano_fr", order_id, tuple(lines[1:]))
    assert compare(sandbox.ledger(), account, [order]).clean
    assert compare(sandbox.ledger(), account, [replace(order, line_ids=tuple(lines))]).clean


def test_a_wrong_amount_is_seen(ledger, account):
    sold = importable(ledger)[0]
    result = compare(ledger, account, [held(sold, total=sold.total + Decimal("0.01"))])
    assert [finding.order_id for finding in result.wrong_totals] == [sold.order_id]


def test_shipped_and_confirmed(api, sandbox, account):
    order_id = api.sells()
    api.ship(order_id)
    orders = [held(sandbox.ledger().sold[0], SENT)]
    before = compare(sandbox.ledger(), account, orders)
    assert [finding.order_id for finding in before.unconfirmed] == [order_id]
    sandbox.advance(minutes=15)
    after = compare(sandbox.ledger(), account, orders)
    assert (after.all_confirmed, after.confirmed, after.refused) == (True, 1, ())


def test_a_confirmation_told_twice_is_doubled(api, sandbox, account):
    order_id = api.sells()
    api.ship(order_id)
    api.ship(order_id)
    result = compare(sandbox.ledger(), account, [held(sandbox.ledger().sold[0], SENT)])
    assert [finding.what for finding in result.doubled] == ["ship was told again by action 100002"]


def test_a_confirmation_told_again_after_a_refusal_is_not(api, sandbox, account):
    order_id = api.sells()
    api.ship(order_id, carrier="Other")
    sandbox.advance(minutes=15)
    orders = [held(sandbox.ledger().sold[0], SENT)]
    refused = compare(sandbox.ledger(), account, orders)
    assert "carrier_name" in refused.refused[0].what
    assert not refused.all_confirmed
    api.ship(order_id)
    sandbox.advance(minutes=15)
    result = compare(sandbox.ledger(), account, orders)
    assert (result.clean, result.all_confirmed) == (True, True)


def test_an_order_without_a_rate_is_lost_only_to_a_shop_that_does_not_convert(api, sandbox, account):
    api.sells("no_rate")
    assert len(compare(sandbox.ledger(), account, []).lost) == 1
    assert compare(sandbox.ledger(), account, [], converts_currency=True).clean


def test_shops_share_an_account_by_marketplace(api, sandbox, account):
    api.sells()
    api.sells("spanish")
    french, spanish = (held(sold) for sold in sandbox.ledger().sold)
    shops = [
        ShopHoldings([french], marketplaces=("manomano_fr",)),
        ShopHoldings([spanish], marketplaces=("manomano_es",)),
    ]
    assert reconcile(sandbox.ledger(), {account.account_id: shops}).clean
    assert len(reconcile(sandbox.ledger(), {account.account_id: shops[:1]}).lost) == 0
    wrong = [ShopHoldings([spanish], marketplaces=("manomano_fr",))]
    assert reconcile(sandbox.ledger(), {account.account_id: wrong}).unexpected[0].what == "is not for this shop"


def test_a_hostile_order_is_neither_missed_nor_unexpected_unless_it_is_said(api, sandbox, account):
    sandbox.sell_raw(account.account_id, {"total_order": None})
    sandbox.advance(minutes=15)
    [sold] = sandbox.ledger().sold
    assert compare(sandbox.ledger(), account, []).clean
    assert compare(sandbox.ledger(), account, [held(sold)]).clean
    sandbox.sell_raw(account.account_id, {"comments": "🛠"}, importable=True)
    sandbox.advance(minutes=15)
    assert len(compare(sandbox.ledger(), account, []).lost) == 1
