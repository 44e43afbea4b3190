"""Records as the REST API shows them; keys and forms as recorded from WooCommerce 11.0.1."""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from lengow.sandbox.shops.woocommerce.records import Extra, Line, Order, Product, Refund, TaxRate, Webhook

SYMBOLS = {"EUR": "€", "GBP": "£", "USD": "$"}


def order_view(order: Order, *, site: str, version: str, decimals: int, products: dict[int, Product]) -> dict[str, Any]:
    def amount(value: Decimal) -> str:
        return format(value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP), "f")

    lines = [_line_view(line, amount, products) for line in order.lines]
    tax = order.cart_tax + order.shipping_tax
    editable = order.status in ("pending", "on-hold", "auto-draft", "checkout-draft")
    return {
        "id": order.id,
        "parent_id": 0,
        "status": order.status,
        "currency": order.currency,
        "version": version,
        "prices_include_tax": order.prices_include_tax,
        "date_created": local(order.created),
        "date_modified": local(order.modified),
        "discount_total": amount(Decimal(0)),
        "discount_tax": amount(Decimal(0)),
        "shipping_total": amount(order.shipping_total),
        "shipping_tax": amount(order.shipping_tax),
        "cart_tax": amount(order.cart_tax),
        "total": amount(order.total),
        "total_tax": amount(tax),
        "customer_id": order.customer_id,
        "order_key": order.key,
        "billing": dict(order.billing),
        "shipping": dict(order.shipping),
        "payment_method": order.payment_method,
        "payment_method_title": order.payment_method_title,
        "transaction_id": order.transaction_id,
        "customer_ip_address": "",
        "customer_user_agent": "",
        "created_via": order.created_via,
        "customer_note": order.customer_note,
        "date_completed": local(order.completed),
        "date_paid": local(order.paid),
        "cart_hash": "",
        "number": str(order.id),
        "meta_data": [dict(one) for one in reversed(order.meta)],
        "line_items": lines,
        "tax_lines": [],
        "shipping_lines": [_shipping_view(one, amount) for one in order.shipping_lines],
        "fee_lines": [_fee_view(one, amount) for one in order.fee_lines],
        "coupon_lines": [],
        "refunds": [
            {"id": refund.id, "reason": refund.reason, "total": f"-{amount(refund.amount)}"} for refund in order.refunds
        ],
        "payment_url": f"{site}/checkout/order-pay/{order.id}/?pay_for_order=true&key={order.key}",
        "is_editable": editable,
        "needs_payment": order.status in ("pending", "failed") and order.total > 0,
        "needs_processing": order.needs_processing,
        "date_created_gmt": local(order.created),
        "date_modified_gmt": local(order.modified),
        "date_completed_gmt": local(order.completed),
        "date_paid_gmt": local(order.paid),
        "currency_symbol": SYMBOLS.get(order.currency, order.currency),
        "_links": _links(site, "orders", order.id),
    }


def product_view(product: Product, *, site: str) -> dict[str, Any]:
    modified = local(product.modified)
    return {
        "id": product.id,
        "name": product.name,
        "date_modified": modified,
        "date_modified_gmt": modified,
        "type": product.type,
        "status": product.status,
        "sku": product.sku,
        "price": format(product.price, "f"),
        "regular_price": format(product.price, "f"),
        "virtual": False,
        "tax_status": product.tax_status,
        "tax_class": product.tax_class,
        "manage_stock": product.stock is not None,
        "stock_quantity": product.stock,
        "stock_status": "outofstock" if product.stock is not None and product.stock <= 0 else "instock",
        "backorders_allowed": False,
        "parent_id": product.parent_id,
        "permalink": f"{site}/product/{product.sku.lower()}/",
        "on_sale": False,
        "purchasable": True,
        "description": "",
        "short_description": "",
        "weight": "",
        "categories": [{"id": 15, "name": "Uncategorized", "slug": "uncategorized"}],
        "brands": [],
        "images": [],
        "attributes": [],
        "variations": [],
        "meta_data": [],
        "global_unique_id": product.gtin,
        "_links": _links(site, "products", product.id),
        **product.shown,
    }


def variation_view(product: Product, *, site: str) -> dict[str, Any]:
    """As a row of `products/ID/variations`: one image or none, no images, categories or brands of its own."""
    view = product_view(product, site=site)
    for name in ("images", "categories", "brands", "short_description", "variations"):
        view.pop(name, None)
    return {"image": None, **view, "attributes": product.shown.get("attributes", [])}


def refund_view(refund: Refund, order: Order, *, site: str, decimals: int) -> dict[str, Any]:
    def amount(value: Decimal) -> str:
        return format(value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP), "f")

    names = {line.id: line for line in order.lines}
    return {
        "id": refund.id,
        "date_created": local(refund.created),
        "date_created_gmt": local(refund.created),
        "amount": amount(refund.amount),
        "reason": refund.reason,
        "refunded_by": 1,
        "refunded_payment": False,
        "meta_data": [dict(one) for one in refund.meta],
        "line_items": [
            {
                "id": refund.id * 10 + place,
                "name": names[line].name,
                "product_id": names[line].product_id,
                "quantity": -quantity,
                "total": amount(-net),
                "meta_data": [{"id": 0, "key": "_refunded_item_id", "value": str(line)}],
            }
            for place, (line, quantity, net) in enumerate(refund.lines)
        ],
        "shipping_lines": [],
        "tax_lines": [],
        "fee_lines": [],
        "_links": {"up": [{"href": f"{site}/wp-json/wc/v3/orders/{order.id}"}]},
    }


def tax_view(rate: TaxRate, place: int) -> dict[str, Any]:
    return {
        "id": rate.id,
        "country": rate.country,
        "state": rate.state,
        "postcode": "",
        "city": "",
        "rate": f"{rate.rate:.4f}",
        "name": rate.name,
        "priority": rate.priority,
        "compound": rate.compound,
        "shipping": rate.shipping,
        "order": place,
        "class": rate.tax_class or "standard",
        "postcodes": list(rate.postcodes),
        "cities": list(rate.cities),
    }


def webhook_view(hook: Webhook, *, site: str) -> dict[str, Any]:
    resource, _, event = hook.topic.partition(".")
    return {
        "id": hook.id,
        "name": hook.name,
        "status": hook.status,
        "topic": hook.topic,
        "resource": resource,
        "event": event,
        "hooks": HOOKS.get(hook.topic, []),
        "delivery_url": hook.delivery_url,
        "date_created": local(hook.created),
        "date_created_gmt": local(hook.created),
        "date_modified": local(hook.modified),
        "date_modified_gmt": local(hook.modified),
        "_links": _links(site, "webhooks", hook.id),
    }


HOOKS = {"order.updated": ["woocommerce_update_order", "woocommerce_order_refunded"]}


def local(moment: datetime | None) -> str | None:
    """Without a zone; this shop stands in UTC."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}" if moment else None


def _line_view(line: Line, amount: Any, products: dict[int, Product]) -> dict[str, Any]:
    product = products.get(line.variation_id or line.product_id)
    meta = [_with_display(one) for one in line.meta]
    if line.reduced is not None:
        meta.append(_with_display({"id": line.id * 10 + 9, "key": "_reduced_stock", "value": str(line.reduced)}))
    return {
        "id": line.id,
        "name": line.name,
        "product_id": line.product_id,
        "variation_id": line.variation_id,
        "quantity": line.quantity,
        "tax_class": line.tax_class,
        "subtotal": amount(line.subtotal),
        "subtotal_tax": amount(sum(line.taxes.values(), Decimal(0))),
        "total": amount(line.total),
        "total_tax": amount(sum(line.taxes.values(), Decimal(0))),
        "taxes": _taxes(line.taxes),
        "meta_data": meta,
        "sku": product.sku if product else None,
        "global_unique_id": "" if product else None,
        "price": float(line.total / line.quantity) if line.quantity else 0,
        "image": {"id": "", "src": ""} if product else {"id": 0, "src": ""},
        "parent_name": None,
    }


def _shipping_view(extra: Extra, amount: Any) -> dict[str, Any]:
    return {
        "id": extra.id,
        "method_title": extra.title,
        "method_id": extra.method_id,
        "instance_id": extra.instance_id,
        "total": amount(extra.total),
        "total_tax": amount(sum(extra.taxes.values(), Decimal(0))),
        "taxes": _taxes(extra.taxes),
        "tax_status": "taxable",
        "meta_data": [_with_display(one) for one in extra.meta],
    }


def _fee_view(extra: Extra, amount: Any) -> dict[str, Any]:
    return {
        "id": extra.id,
        "name": extra.title,
        "tax_class": extra.tax_class,
        "tax_status": extra.tax_status,
        "amount": "",
        "total": amount(extra.total),
        "total_tax": amount(sum(extra.taxes.values(), Decimal(0))),
        "taxes": _taxes(extra.taxes),
        "meta_data": [_with_display(one) for one in extra.meta],
    }


def _taxes(taxes: dict[int, Decimal]) -> list[dict[str, Any]]:
    return [
        {"id": rate, "total": f"{tax.normalize():f}", "subtotal": f"{tax.normalize():f}"} for rate, tax in taxes.items()
    ]


def _with_display(meta: dict[str, Any]) -> dict[str, Any]:
    return {**meta, "display_key": meta["key"], "display_value": meta["value"]}


def _links(site: str, collection: str, number: int) -> dict[str, Any]:
    base = f"{site}/wp-json/wc/v3/{collection}"
    return {
        "self": [{"href": f"{base}/{number}", "targetHints": {"allow": ["GET", "POST", "PUT", "PATCH", "DELETE"]}}],
        "collection": [{"href": base}],
    }
