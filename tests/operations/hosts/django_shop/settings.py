SECRET_KEY = "for the tests only"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "django_shop.urls"
DATABASES: dict[str, object] = {}
USE_TZ = True
