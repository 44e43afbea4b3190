"""Every error of the connector. The docstring is the default sentence; `code` is stable (stored, shown, documented).

LengowError
├── SettingsError               settings_invalid
│   └── ToggleUnsupported       toggle_unsupported
├── ApiError                    what Lengow's API answered, or did not
│   ├── ApiUnavailable          lengow_unavailable      nothing usable came back; nothing was changed
│   ├── OutcomeUnknown          lengow_outcome_unknown  a change was sent, and its answer was lost
│   ├── MalformedAnswer         lengow_malformed
│   ├── RateLimited             lengow_rate_limited
│   ├── Unauthorized            lengow_unauthorized
│   ├── NotFound                lengow_not_found
│   └── ApiRefused              lengow_refused
├── OrderUndecodable            order_undecodable
├── OrderUnknown                order_unknown
├── StepUnknown                 step_unknown
├── ChangeUnknown               change_unknown
├── ChangeSettled               change_settled
├── CannotMend                  cannot_mend
├── ActionInvalid               its own code per rule (see connector/rules.py)
├── ShopUnavailable             shop_unavailable
├── WebhookError
│   ├── SignatureError          signature_invalid
│   └── PayloadInvalid          payload_invalid
└── StoreError                  store_error
    ├── StoreBusy               store_busy
    ├── StoreFull               store_full
    ├── StoreReadOnly           store_read_only
    ├── StoreNewer              store_newer
    └── LeaseLost               lease_lost
"""

from typing import Any


class LengowError(Exception):
    """Something went wrong."""

    code = "error"
    what_to_do = "Read the order's journal: lengow-connector orders show ORDER."

    def __init__(self, sentence: str | None = None, *, what_to_do: str | None = None, **about: object) -> None:
        """`about` names what is concerned (account=, shop=, order=, field=), for logs and the console."""
        super().__init__(sentence or type(self).__doc__)
        if what_to_do:
            self.what_to_do = what_to_do
        self.about = about

    def __str__(self) -> str:
        return str(self.args[0])


class SettingsError(LengowError):
    """The settings are not valid."""

    code = "settings_invalid"
    what_to_do = "Correct the named key in the settings file; docs/settings.md lists them all."


class ToggleUnsupported(SettingsError):
    """This platform does not have this toggle."""

    code = "toggle_unsupported"
    what_to_do = "Leave the toggle off for this shop."


class ApiError(LengowError):
    """Lengow's API did not do what was asked."""

    code = "lengow_error"
    what_to_do = "Try again; if it lasts, look at Lengow's status page."


class ApiUnavailable(ApiError):
    """Lengow's API could not be reached or failed on its side; nothing was changed there."""

    code = "lengow_unavailable"


class OutcomeUnknown(ApiError):
    """The request was sent to Lengow and its answer was lost: it may or may not have taken effect."""

    code = "lengow_outcome_unknown"
    what_to_do = "Nothing: the connector asks Lengow what it holds before it sends again."


class MalformedAnswer(ApiError):
    """Lengow's API answered with something that is not the JSON it promises."""

    code = "lengow_malformed"


class RateLimited(ApiError):
    """Lengow's request quota is used up."""

    code = "lengow_rate_limited"
    what_to_do = "Nothing: the connector waits as long as Lengow asks. Lower `requests_per_minute` if it repeats."

    def __init__(self, sentence: str | None = None, *, retry_after: float, **about: object) -> None:
        super().__init__(sentence, what_to_do=None, **about)
        self.retry_after = retry_after


class Unauthorized(ApiError):
    """Lengow refuses the access token and secret of this account."""

    code = "lengow_unauthorized"
    what_to_do = "Copy the account's access token and secret from Lengow (My account > API) into the settings."


class NotFound(ApiError):
    """Lengow does not know what was asked for."""

    code = "lengow_not_found"
    what_to_do = "Check the marketplace and the order number."


class ApiRefused(ApiError):
    """Lengow refused the request."""

    code = "lengow_refused"
    what_to_do = "Correct what Lengow's text names, then send it again."

    def __init__(
        self, sentence: str | None = None, *, status: int, fields: dict[str, str] | None = None, **about: object
    ) -> None:
        super().__init__(sentence, what_to_do=None, **about)
        self.status = status
        self.fields = fields or {}


class OrderUndecodable(LengowError):
    """An order from Lengow has a missing or wrong-typed field."""

    code = "order_undecodable"
    what_to_do = "Report the order to Lengow; it is kept as it came, and read again when Lengow has mended it."


class OrderUnknown(LengowError):
    """The connector holds no such order."""

    code = "order_unknown"
    what_to_do = "Check account, marketplace and order number; `lengow-connector sync` fetches what is new."


class StepUnknown(LengowError):
    """There is no such step."""

    code = "step_unknown"
    what_to_do = "lengow-connector steps list shows what there is."


class ChangeUnknown(LengowError):
    """There is no such change."""

    code = "change_unknown"
    what_to_do = "lengow-connector changes list shows them."


class ChangeSettled(LengowError):
    """The change does not wait for a person, or no adapter can bring it."""

    code = "change_settled"
    what_to_do = "Look at the change's state and reason; what must be done by hand is dismissed once it is done."


class CannotMend(LengowError):
    """It cannot be mended so."""

    code = "cannot_mend"
    what_to_do = "Look at the order's state and journal: lengow-connector orders show ORDER."


class ActionInvalid(LengowError):
    """The action breaks a rule of the marketplace."""

    what_to_do = "Correct the named argument and send the action again."

    def __init__(self, code: str, sentence: str, *, what_to_do: str | None = None, **about: object) -> None:
        super().__init__(sentence, what_to_do=what_to_do, **about)
        self.code = code


class ShopUnavailable(LengowError):
    """The shop could not be reached or failed on its side."""

    code = "shop_unavailable"
    what_to_do = "Check that the shop is up; the connector tries again by itself."

    def __init__(self, sentence: str | None = None, *, retry_after: float = 0, **about: Any) -> None:
        """`retry_after`: seconds that the shop asks to wait; 0: it names none."""
        super().__init__(sentence, **about)
        self.retry_after = retry_after


class WebhookError(LengowError):
    """A delivery to the webhook receiver was refused."""

    code = "webhook_refused"
    what_to_do = "Mend the sender; see docs/webhooks.md."


class SignatureError(WebhookError):
    """The delivery is not signed with a webhook secret of this shop."""

    code = "signature_invalid"
    what_to_do = "Put the sender's secret into `webhook_secrets` of the shop, and check the sender's clock."


class PayloadInvalid(WebhookError):
    """The delivery is signed, but its body is not what the contract asks for."""

    code = "payload_invalid"


class StoreError(LengowError):
    """The store could not do what was asked."""

    code = "store_error"
    what_to_do = "Check that the database file is writable and its disk is not full."


class StoreBusy(StoreError):
    """The store is locked by another process for longer than the connector waits."""

    code = "store_busy"
    what_to_do = "Try again; end the process that holds the database."


class StoreFull(StoreError):
    """There is no room left to write the store."""

    code = "store_full"
    what_to_do = "Make room on the disk of the named file. Nothing is lost, and the connector goes on by itself."


class StoreReadOnly(StoreError):
    """The store cannot be written or opened by this user."""

    code = "store_read_only"
    what_to_do = "Let the user that runs the connector write the named file and its folder; SQLite writes beside it."


class StoreNewer(StoreError):
    """The store was written by a newer version of this package."""

    code = "store_newer"
    what_to_do = "Install the newest lengow-connector; or go back to the copy of the store from before the upgrade."


class LeaseLost(StoreError):
    """Another worker has taken over this step; this one must not write its outcome."""

    code = "lease_lost"
    what_to_do = "Nothing: the other worker finishes the step."
