from typing import Any

from requests import Response

class API:
    url: str
    consumer_key: str
    consumer_secret: str
    wp_api: bool
    version: str
    is_ssl: bool
    timeout: float
    verify_ssl: bool
    query_string_auth: bool
    user_agent: str
    def __init__(self, url: str, consumer_key: str, consumer_secret: str, **kwargs: Any) -> None: ...
    def get(self, endpoint: str, **kwargs: Any) -> Response: ...
    def post(self, endpoint: str, data: Any, **kwargs: Any) -> Response: ...
    def put(self, endpoint: str, data: Any, **kwargs: Any) -> Response: ...
    def delete(self, endpoint: str, **kwargs: Any) -> Response: ...
    def options(self, endpoint: str, **kwargs: Any) -> Response: ...
