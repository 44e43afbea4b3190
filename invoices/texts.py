"""What stands on documents and in mails, in the buyer's language."""

import msgspec

from lengow.invoices.document import Document


class Words(msgspec.Struct, frozen=True):
    invoice: str
    credit_note: str
    number: str
    issued: str
    delivered: str
    order: str
    seller: str
    buyer: str
    delivery: str
    vat_number: str
    item: str
    quantity: str
    unit_price: str
    rate: str
    net: str
    gross: str
    base: str
    vat: str
    total_net: str
    total: str
    paid: str
    due: str
    corrects: str
    page: str
    shipping: str
    fee: str
    refund: str
    goods: str
    subject: str
    """With {kind}, {number}, {order} and {seller}."""
    body: str
    """With {name}, {kind}, {number}, {order} and {seller}."""
    credit_body: str
    """The same, for a credit note."""


WORDS = {
    "fr": Words(
        invoice="Facture",
        credit_note="Avoir",
        number="Numéro",
        issued="Date d'émission",
        delivered="Date de livraison",
        order="Commande",
        seller="Vendeur",
        buyer="Client",
        delivery="Adresse de livraison",
        vat_number="N° TVA",
        item="Désignation",
        quantity="Qté",
        unit_price="PU HT",
        rate="TVA",
        net="Total HT",
        gross="Total TTC",
        base="Base HT",
        vat="Montant TVA",
        total_net="Total HT",
        total="Total TTC",
        paid="Déjà payé",
        due="Reste à payer",
        corrects="Annule ou corrige la facture {number} du {date}",
        page="Page {page} sur {pages}",
        shipping="Frais de port",
        fee="Frais de traitement",
        refund="Remboursement partiel",
        goods="Nature de l'opération : livraison de biens",
        subject="{kind} {number} – commande {order}",
        body="Bonjour {name},\n\nVotre commande {order} a été expédiée. Vous trouverez ci-joint le document : {kind} "
        "{number}.\n\nCordialement,\n{seller}\n",
        credit_body="Bonjour {name},\n\nVous trouverez ci-joint le document : {kind} {number}, pour votre commande {order}.\n\n"
        "Cordialement,\n{seller}\n",
    ),
    "en": Words(
        invoice="Invoice",
        credit_note="Credit note",
        number="Number",
        issued="Date of issue",
        delivered="Date of delivery",
        order="Order",
        seller="Seller",
        buyer="Buyer",
        delivery="Delivery address",
        vat_number="VAT number",
        item="Description",
        quantity="Qty",
        unit_price="Unit net",
        rate="VAT",
        net="Net",
        gross="Gross",
        base="Net",
        vat="VAT amount",
        total_net="Total net",
        total="Total",
        paid="Already paid",
        due="Due",
        corrects="Cancels or corrects invoice {number} of {date}",
        page="Page {page} of {pages}",
        shipping="Shipping",
        fee="Processing fee",
        refund="Partial refund",
        goods="Nature of the operation: supply of goods",
        subject="{kind} {number} – order {order}",
        body="Dear {name},\n\nYour order {order} has been shipped. Please find attached: {kind} {number}.\n\n"
        "Kind regards,\n{seller}\n",
        credit_body="Dear {name},\n\nPlease find attached: {kind} {number}, for your order {order}.\n\n"
        "Kind regards,\n{seller}\n",
    ),
    "de": Words(
        invoice="Rechnung",
        credit_note="Gutschrift",
        number="Nummer",
        issued="Rechnungsdatum",
        delivered="Lieferdatum",
        order="Bestellung",
        seller="Verkäufer",
        buyer="Käufer",
        delivery="Lieferadresse",
        vat_number="USt-IdNr.",
        item="Bezeichnung",
        quantity="Menge",
        unit_price="Netto je Stück",
        rate="USt",
        net="Netto",
        gross="Brutto",
        base="Netto",
        vat="USt-Betrag",
        total_net="Summe netto",
        total="Gesamtbetrag",
        paid="Bereits bezahlt",
        due="Offen",
        corrects="Storniert oder berichtigt Rechnung {number} vom {date}",
        page="Seite {page} von {pages}",
        shipping="Versand",
        fee="Bearbeitungsgebühr",
        refund="Teilerstattung",
        goods="Art des Umsatzes: Lieferung von Waren",
        subject="{kind} {number} – Bestellung {order}",
        body="Guten Tag {name},\n\nIhre Bestellung {order} wurde versandt. Im Anhang finden Sie: {kind} {number}.\n\n"
        "Freundliche Grüße\n{seller}\n",
        credit_body="Guten Tag {name},\n\nim Anhang finden Sie: {kind} {number} zu Ihrer Bestellung {order}.\n\n"
        "Freundliche Grüße\n{seller}\n",
    ),
    "es": Words(
        invoice="Factura",
        credit_note="Factura rectificativa",
        number="Número",
        issued="Fecha de emisión",
        delivered="Fecha de entrega",
        order="Pedido",
        seller="Vendedor",
        buyer="Cliente",
        delivery="Dirección de entrega",
        vat_number="NIF-IVA",
        item="Descripción",
        quantity="Cant.",
        unit_price="Precio sin IVA",
        rate="IVA",
        net="Base",
        gross="Total",
        base="Base imponible",
        vat="Cuota de IVA",
        total_net="Total sin IVA",
        total="Total",
        paid="Ya pagado",
        due="Pendiente",
        corrects="Anula o rectifica la factura {number} del {date}",
        page="Página {page} de {pages}",
        shipping="Gastos de envío",
        fee="Gastos de gestión",
        refund="Reembolso parcial",
        goods="Naturaleza de la operación: entrega de bienes",
        subject="{kind} {number} – pedido {order}",
        body="Hola {name}:\n\nSu pedido {order} ha sido enviado. Adjuntamos: {kind} {number}.\n\nUn saludo,\n{seller}\n",
        credit_body="Hola {name}:\n\nAdjuntamos: {kind} {number}, de su pedido {order}.\n\nUn saludo,\n{seller}\n",
    ),
    "it": Words(
        invoice="Fattura",
        credit_note="Nota di credito",
        number="Numero",
        issued="Data di emissione",
        delivered="Data di consegna",
        order="Ordine",
        seller="Venditore",
        buyer="Cliente",
        delivery="Indirizzo di consegna",
        vat_number="P. IVA",
        item="Descrizione",
        quantity="Q.tà",
        unit_price="Prezzo netto",
        rate="IVA",
        net="Imponibile",
        gross="Totale",
        base="Imponibile",
        vat="Importo IVA",
        total_net="Totale imponibile",
        total="Totale",
        paid="Già pagato",
        due="Da pagare",
        corrects="Annulla o rettifica la fattura {number} del {date}",
        page="Pagina {page} di {pages}",
        shipping="Spese di spedizione",
        fee="Spese di gestione",
        refund="Rimborso parziale",
        goods="Natura dell'operazione: cessione di beni",
        subject="{kind} {number} – ordine {order}",
        body="Buongiorno {name},\n\nil suo ordine {order} è stato spedito. In allegato: {kind} {number}.\n\n"
        "Cordiali saluti,\n{seller}\n",
        credit_body="Buongiorno {name},\n\nin allegato: {kind} {number}, per il suo ordine {order}.\n\n"
        "Cordiali saluti,\n{seller}\n",
    ),
}

OF_COUNTRY = {
    "FR": "fr",
    "BE": "fr",
    "LU": "fr",
    "MC": "fr",
    "DE": "de",
    "AT": "de",
    "CH": "de",
    "ES": "es",
    "IT": "it",
}
"""The language of a country's buyers where the settings name none; English elsewhere."""


def kind_of(document: Document) -> str:
    """Invoice or credit note, in the document's language."""
    words = WORDS[document.language]
    return words.invoice if document.kind == "invoice" else words.credit_note
