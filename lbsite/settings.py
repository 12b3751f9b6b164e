"""One settings file, read from the environment. Every variable is described in the README."""

from pathlib import Path
from socket import gethostname
from urllib.parse import quote

from django.templatetags.static import static

from lbsite import environment
from lbsite.secrets import load_or_create_secret_key
from pool.environment import env, switch, texts, whole

DATA_DIR = environment.data_dir("LB_DATA_DIR", "var")

DEBUG = switch("LB_DEBUG", False)
SECRET_KEY = env.str("LB_SECRET_KEY", "") or load_or_create_secret_key(DATA_DIR)
ALLOWED_HOSTS = texts("LB_ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "pool",
    "proxy",
    "analytics",
    "lbsite",
]

MIDDLEWARE = [
    "lbsite.early.EarlyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "pool.actor.ActorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "lbsite.timezone.TimeZoneMiddleware",
    "lbsite.unavailable.UnavailableMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "lbsite.urls"
WSGI_APPLICATION = "lbsite.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],  # before those of unfold
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {
    "default": environment.database(
        "DATABASE_URL", f"sqlite:///{quote(str(DATA_DIR))}/lbsite.sqlite3"
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Several processes write: WAL lets them read meanwhile, and IMMEDIATE takes
    # the write lock at the start, where waiting for it is still possible.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Without an operator's Redis, `lb up` starts one of its own in the data folder.
LB_STARTS_REDIS = not env.str("LB_REDIS_URL", "")
LB_REDIS_URL = env.str("LB_REDIS_URL", "") or f"unix://{quote(str(DATA_DIR))}/redis.sock"

LOGIN_REDIRECT_URL = "admin:index"

LB_METRICS = environment.one_of("LB_METRICS", "token", ("off", "token", "open"))
LB_PROXY_VIEW = environment.one_of("LB_PROXY_VIEW", "off", ("off", "staff", "public"))

LB_HEALTH_CONCURRENCY = whole("LB_HEALTH_CONCURRENCY", 500, 1)
LB_HEALTH_RETENTION_HOURS = whole("LB_HEALTH_RETENTION_HOURS", 24, 1)
LB_HEALTH_SAMPLE_SECONDS = whole("LB_HEALTH_SAMPLE_SECONDS", 60, 0)

LB_HISTORY_RETENTION_DAYS = whole("LB_HISTORY_RETENTION_DAYS", 400, 1)
LB_ALERT_RETENTION_DAYS = whole("LB_ALERT_RETENTION_DAYS", 30, 1)

LB_REQUESTS_KEPT = whole("LB_REQUESTS_KEPT", 100_000, 1)
LB_REQUESTS_RETENTION_HOURS = whole("LB_REQUESTS_RETENTION_HOURS", 168, 1)

LB_PUBLIC_URL = environment.public_url("LB_PUBLIC_URL")
LB_ALERT_INTERNAL = switch("LB_ALERT_INTERNAL", False)
_MAIL = environment.mail_server("LB_EMAIL_URL")
EMAIL_HOST, EMAIL_PORT = _MAIL.host, _MAIL.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL.user, _MAIL.password
EMAIL_USE_SSL, EMAIL_USE_TLS = _MAIL.tls, _MAIL.starttls
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("LB_EMAIL_FROM", "") or f"lbsite@{gethostname()}"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{validator}"}
    for validator in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# Cookies do not tell ports apart (RFC 6265 §8.5): what is served through the edge on
# the same host must not find, nor overwrite, the admin's under Django's usual names.
SESSION_COOKIE_NAME = "lbsite_session"
CSRF_COOKIE_NAME = "lbsite_csrf"

# By default the admin listens on the loopback interface and speaks plain http. Behind
# something that ends TLS, LB_HTTPS turns on all that depends on it.
LB_HTTPS = switch("LB_HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = LB_HTTPS
if LB_HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
    # HSTS for sub-domains and preload lists are for the domain's owner to decide.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
else:
    # HSTS, redirect to https, and both cookies' Secure flag: meaningless over plain http.
    SILENCED_SYSTEM_CHECKS = [f"security.{check}" for check in ("W004", "W008", "W012", "W016")]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = ["lbsite.formats"]

# A pool's page sends eight fields a backend; Django's 1,000 would end at 110 of them. Its forms
# themselves take 2,000 rows.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000

STATIC_URL = "static/"
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "analytics.finders.PlotlyFinder",
]
WHITENOISE_USE_FINDERS = True  # straight out of the packages: there is no collectstatic step
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/plotly/\d"  # its version is part of the address
LB_STATIC_DIR = DATA_DIR / "static"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "filters": {
        # A 503 is told by who gives it, or to who asks.
        "no_503": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: getattr(record, "status_code", 0) != 503,
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        **{
            name: {"level": environment.log_level("LB_LOG_LEVEL", "INFO")}
            for name in ("pool", "proxy", "analytics", "lbsite")
        },
        # Django's own handlers would tell everything twice.
        "django": {"handlers": [], "level": "WARNING"},
        # A page that is not there is no news.
        "django.request": {"level": "ERROR", "filters": ["no_503"]},
    },
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "pool.api.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["pool.api.permissions.ModelPermissions"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "pool.api.pagination.Page",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "lbsite",
    "DESCRIPTION": "A load balancer that people run from the Django admin.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # Fields that offer the same names, and fields of one name that offer others.
    "ENUM_NAME_OVERRIDES": {
        "AlgorithmEnum": "pool.policies.balancing.algorithm_choices",
        "ChannelKindEnum": "pool.models.alerts.channel_kind_choices",
        "EventKindEnum": "pool.models.history.event_kind_choices",
        "MessageKindEnum": "pool.models.alerts.message_kind_choices",
        "SeverityEnum": "pool.models.history.severity_choices",
    },
}

# tailwind's indigo, whose 600 keeps white text on buttons readable (WCAG AA)
_INDIGO = {
    "50": "oklch(96.2% .018 272.314)",
    "100": "oklch(93% .034 272.788)",
    "200": "oklch(87% .065 274.039)",
    "300": "oklch(78.5% .115 274.713)",
    "400": "oklch(67.3% .182 276.935)",
    "500": "oklch(58.5% .233 277.117)",
    "600": "oklch(51.1% .262 276.966)",
    "700": "oklch(45.7% .24 277.023)",
    "800": "oklch(39.8% .195 277.366)",
    "900": "oklch(35.9% .144 278.697)",
    "950": "oklch(25.7% .09 281.288)",
}

UNFOLD = {
    "SITE_TITLE": "lbsite",
    "SITE_HEADER": "lbsite",
    "SITE_SUBHEADER": "lbsite.timezone.subheader",
    "SITE_SYMBOL": "hub",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("lbsite/favicon.svg")}
    ],
    "SCRIPTS": [lambda _: static("lbsite/timezone.js")],
    "COLORS": {"primary": _INDIGO},
    "COMMAND": {"search_models": ["pool.pool", "pool.backend", "pool.route", "auth.user"]},
    "SIDEBAR": {"command_search": True, "navigation": "lbsite.navigation.sidebar"},
    "DASHBOARD_CALLBACK": "lbsite.dashboard.add_context",
}
