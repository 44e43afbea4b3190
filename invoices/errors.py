"""Why an invoice is not issued yet. The code is stored and shown; docs/invoices.md has a row for each."""

from lengow.connector.errors import LengowError


class InvoiceHeld(LengowError):
    """The invoice cannot be made, and waits for a person."""

    code = "invoice_held"
    what_to_do = "Mend what its text names; then `lengow-connector invoices retry ID`."

    def __init__(self, code: str, sentence: str, *, what_to_do: str | None = None, **about: object) -> None:
        super().__init__(sentence, what_to_do=what_to_do, **about)
        self.code = code


class InvoiceUnknown(LengowError):
    """There is no such invoice."""

    code = "invoice_unknown"
    what_to_do = "`lengow-connector invoices list` shows them."
