"""How a request proves that it comes from the integration: signed by OAuth 1.0a, or with its token as bearer (§3.1)."""

from typing import Any

from lengow.adapters.magento.settings import MagentoSettings


class Bearer:
    """Taken only where the shop allows it (`oauth/consumer/enable_integration_as_bearer`)."""

    def __init__(self, settings: MagentoSettings) -> None:
        self._token = settings.access_token

    def headers(self, method: str, url: str) -> dict[str, str]:  # noqa: ARG002
        return {"Authorization": f"Bearer {self._token.reveal()}"}


class Signed:
    """HMAC-SHA256 over method, address and query; the body is not part of it."""

    def __init__(self, settings: MagentoSettings) -> None:
        from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, Client  # type: ignore[import-untyped]

        assert settings.consumer_key
        assert settings.consumer_secret
        assert settings.access_token_secret
        self._client: Any = Client(
            settings.consumer_key.reveal(),
            client_secret=settings.consumer_secret.reveal(),
            resource_owner_key=settings.access_token.reveal(),
            resource_owner_secret=settings.access_token_secret.reveal(),
            signature_method=SIGNATURE_HMAC_SHA256,
        )

    def headers(self, method: str, url: str) -> dict[str, str]:
        """`url` as it is sent, with its query."""
        signed: dict[str, str] = self._client.sign(url, http_method=method)[1]
        return signed


def signer_of(settings: MagentoSettings) -> Bearer | Signed:
    return Signed(settings) if settings.consumer_key else Bearer(settings)
