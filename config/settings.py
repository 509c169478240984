"""Settings: one file, every backend chosen here.

Everything that differs between machines comes from the environment (or `.env` beside manage.py);
`.env.example` lists it all. What can be replaced is a dotted path with a working offline default.
"""

from pathlib import Path

from django.utils.translation import gettext_lazy as _

from config import env, menu, secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
env.read_file(BASE_DIR / ".env")

DATA_DIR = env.directory("DATA_DIR", BASE_DIR / "var")
DEBUG = env.flag("DJANGO_DEBUG", False)
SECRET_KEY = env.text("DJANGO_SECRET_KEY") or secret_key.kept_in(DATA_DIR)
# This machine is always among them: health checks ask from here.
ALLOWED_HOSTS = [*env.hosts("DJANGO_ALLOWED_HOSTS"), "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = env.origins("DJANGO_CSRF_TRUSTED_ORIGINS")

# --- Applications -------------------------------------------------------------------------------
INSTALLED_APPS = [
    "daphne",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "config.third_parties.Axes",
    "csp",
    "django_tasks",
    "config.third_parties.TasksDatabase",
    "learning",
    "rag",
    "tracing",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # A long chapter is a quarter of a megabyte without it. Pages of random length, and a token that
    # is masked anew on each, keep an eavesdropper from guessing at what is in one (BREACH).
    "django.middleware.gzip.GZipMiddleware",
    "config.headers.headers_middleware",
    "config.csp.PolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "tracing.middleware.TracingMiddleware",
    "config.signups.throttle_sign_ups",
    "config.logins.remember_browsers",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config/templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database, channel layer, background jobs ---------------------------------------------------
REDIS_URL = env.url("REDIS_URL", schemes=("redis", "rediss", "unix"))

DATABASES = {"default": env.database("DATABASE_URL", DATA_DIR / "coursetrace.sqlite3")}
# Persistent connections: opening one costs 20 ms on SQLite and 8 ms on PostgreSQL, a query 0.2 ms.
DATABASES["default"]["CONN_MAX_AGE"] = 60
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # IMMEDIATE: a transaction that begins by reading and then writes would otherwise fail at
        # once, without waiting, when another process writes in between.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS = {
    "default": (
        # Not the layer that keeps messages: a restart of Redis would lose its groups for good.
        {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [REDIS_URL]},
        }
        if REDIS_URL
        else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    )
}
TASKS = {
    "default": {
        "BACKEND": "django_tasks_rq.RQBackend" if REDIS_URL else "django_tasks_db.DatabaseBackend"
    }
}
if REDIS_URL:
    INSTALLED_APPS.append("django_rq")
    # It has no tables; and a site that gets a Redis need not be migrated for it.
    MIGRATION_MODULES = {"django_rq": None}
    RQ_SHOW_ADMIN_LINK = False
    # A book is indexed within a day; what hangs longer is ended.
    RQ_QUEUES = {"default": {"URL": REDIS_URL, "DEFAULT_TIMEOUT": 24 * 3600}}

# A process that serves sweeps up after dead ones and loads the models at its start.
UPKEEP = True

# --- People -------------------------------------------------------------------------------------
AUTH_USER_MODEL = "learning.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {}),
        ("MinimumLengthValidator", {}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"
# After so many failures within a quarter of an hour it takes waiting: config.logins says who counts
# as whom.
AXES_HANDLER = "config.logins.LoginHandler"
AXES_FAILURE_LIMIT = 10  # of one name from one address, or from one known browser
LOGIN_FAILURES_BY_NAME = 25  # at most a hundred an hour
FAILURES_BY_ADDRESS = 100
SIGN_UPS_PER_HOUR = 1_000  # from one address: a campus may have one
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # what a success forgets
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_LOCKOUT_CALLABLE = "config.logins.please_wait"
AXES_CLIENT_IP_CALLABLE = "config.proxies.client_address"
# A password is sometimes typed in the place of a name.
AXES_SENSITIVE_PARAMETERS = ["username", "csrfmiddlewaretoken"]
STAFF_SESSION_SECONDS = 12 * 3600

# --- Mail ---------------------------------------------------------------------------------------
# By which a forgotten password is set anew. Without a server there is no such page.
# Not a setting itself: it would show its password among them.
mail_server = env.mail_server("EMAIL_URL")
EMAIL_HOST, EMAIL_PORT = mail_server.host, mail_server.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = mail_server.user, mail_server.password
EMAIL_USE_TLS, EMAIL_USE_SSL = mail_server.starts_tls, mail_server.is_tls
EMAIL_TIMEOUT = 10  # seconds
DEFAULT_FROM_EMAIL = env.mail_address("EMAIL_FROM")
if EMAIL_HOST and not DEFAULT_FROM_EMAIL:
    takes = "the address that mail comes from, where EMAIL_URL is set"
    raise env.SettingError("EMAIL_FROM", "", takes)
PASSWORD_RESET_TIMEOUT = 24 * 3600  # how long the link of a mail holds
# Within an hour; whether there is such an address plays no part.
RESETS_BY_EMAIL = 5
RESETS_BY_ADDRESS = 20  # that a browser asks from

# --- Languages and time -------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "config/locale"]
TIME_ZONE = "UTC"
USE_TZ = True

# --- Static files -------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # Read by workers, served by nobody: has to be a place that all machines of a site share.
    "uploads": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": DATA_DIR / "uploads",
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    # The same, served by a view that knows who may see which.
    "images": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": DATA_DIR / "images",
            "allow_overwrite": True,  # a file is named for its content
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "config.static_files.StaticFilesStorage"
        )
    },
}
# A page without its style is better than no page, where nobody has run collectstatic.
WHITENOISE_MANIFEST_STRICT = False

# --- Safety -------------------------------------------------------------------------------------
# A site that is reached by https says so by its origin, or here; cookies then travel by it alone.
HTTPS = env.flag(
    "DJANGO_HTTPS", any(origin.startswith("https://") for origin in CSRF_TRUSTED_ORIGINS)
)
# How many proxies of ours stand in front: what they say of a client is believed, and no more.
PROXIES = env.whole_number("DJANGO_PROXIES", 1 if HTTPS else 0, at_least=0, at_most=9)
if PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$"]  # probes ask from beside, past the proxy
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("DJANGO_HSTS_SUBDOMAINS", False)
# Whether other names below this one have https as well, and for ever (preload), only the owner of
# the domain knows.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
DEFAULT_EXCEPTION_REPORTER = "config.error_report.ErrorReport"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
PERMISSIONS_POLICY = (
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), "
    "magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=()"
)

# The prefix makes browsers refuse a cookie that another host, or http, has set. The token's cookie
# is read by a script under its name; by itself it opens nothing.
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
DEVICE_COOKIE_NAME = "__Host-device" if HTTPS else "device"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600  # from the log-in on; staff: config.logins

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "script-src-attr": ["'none'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "manifest-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    },
}
# The admin's theme is driven by Alpine.js, which evaluates attributes as code ('unsafe-eval') and
# sets widths by a style attribute. Its style element is let through by its hash: config.csp.
ADMIN_CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        **CONTENT_SECURITY_POLICY["DIRECTIVES"],
        "script-src": ["'self'", "'unsafe-eval'"],
        "style-src-attr": ["'unsafe-inline'"],
    },
}

# --- The tutor ----------------------------------------------------------------------------------
OPENAI_API_KEY = env.text("OPENAI_API_KEY")
OPENAI_BASE_URL = env.url("OPENAI_BASE_URL")
FALLBACK_CHAT_MODEL = env.text("FALLBACK_CHAT_MODEL")
FALLBACK_BASE_URL = env.url("FALLBACK_BASE_URL")
# The first one's key goes with its address only: another provider must not see it.
FALLBACK_API_KEY = env.text("FALLBACK_API_KEY", "" if FALLBACK_BASE_URL else OPENAI_API_KEY)
if FALLBACK_CHAT_MODEL not in ("", "extractive") and not (
    FALLBACK_API_KEY or FALLBACK_BASE_URL or OPENAI_BASE_URL
):
    raise env.SettingError(
        "FALLBACK_CHAT_MODEL",
        FALLBACK_CHAT_MODEL,
        "extractive, or the name of a model beside FALLBACK_API_KEY or FALLBACK_BASE_URL",
    )
CONTEXT_TOKENS = env.whole_number("CONTEXT_TOKENS", 8_000, at_least=4_000, at_most=2_000_000)
FIRST_TOKEN_SECONDS = env.whole_number("FIRST_TOKEN_SECONDS", 60, at_least=1, at_most=3_600)
BETWEEN_TOKENS_SECONDS = env.whole_number("BETWEEN_TOKENS_SECONDS", 30, at_least=1, at_most=3_600)
TUTOR = {
    # Without a key and without a server, the built-in tutor answers with sentences of the course.
    "CHAT_MODEL_BACKEND": (
        "learning.llm.openai.OpenAIChatModel"
        if OPENAI_API_KEY or OPENAI_BASE_URL
        else "learning.llm.extractive.ExtractiveChatModel"
    ),
    "CHAT_MODEL": env.text("CHAT_MODEL", "gpt-4o-mini"),
    "API_KEY": OPENAI_API_KEY,
    "BASE_URL": OPENAI_BASE_URL,
    # What differs in the model that answers while the first does not; {}: there is none.
    "FALLBACK": {
        "": {},
        "extractive": {"CHAT_MODEL_BACKEND": "learning.llm.extractive.ExtractiveChatModel"},
    }.get(
        FALLBACK_CHAT_MODEL,
        {
            "CHAT_MODEL_BACKEND": "learning.llm.openai.OpenAIChatModel",
            "CHAT_MODEL": FALLBACK_CHAT_MODEL,
            "API_KEY": FALLBACK_API_KEY,
            "BASE_URL": FALLBACK_BASE_URL or OPENAI_BASE_URL,
        },
    ),
    "CONTEXT_TOKENS": CONTEXT_TOKENS,  # what a prompt may hold, passages and history included
    # At most half of that. A model that thinks needs more than this: its thoughts count.
    "ANSWER_TOKENS": env.whole_number(
        "ANSWER_TOKENS", 1_500, at_least=100, at_most=CONTEXT_TOKENS // 2
    ),
    "CONNECT_TIMEOUT_SECONDS": 10,
    "FIRST_TOKEN_SECONDS": FIRST_TOKEN_SECONDS,
    "BETWEEN_TOKENS_SECONDS": BETWEEN_TOKENS_SECONDS,
    # Of the socket, where those two are not watched; past both, so that they have the word.
    "READ_TIMEOUT_SECONDS": max(FIRST_TOKEN_SECONDS, BETWEEN_TOKENS_SECONDS) + 5,
    "MAX_RETRIES": 2,  # only before the first token
    # After so many failures in a row a model is left alone for so long, doubled with each trial.
    "FAILURES_BEFORE_PAUSE": 5,
    "PAUSE_SECONDS": 30,
    "LONGEST_PAUSE_SECONDS": 300,
    # From the first search to the last word.
    "ANSWER_SECONDS": env.whole_number("ANSWER_SECONDS", 300, at_least=10, at_most=3_600),
    "ANSWER_CHARACTERS": 60_000,
    "QUESTION_CHARACTERS": 4_000,
    "FRAME_CHARACTERS": 200_000,  # of one websocket frame from a browser
    "PASSAGES": 6,
    # Of each student, in each course that says nothing else; 0: as many as they like.
    "QUESTIONS_PER_DAY": env.whole_number("QUESTIONS_PER_DAY", 0, at_least=0, at_most=100_000),
    # Of one process. Further questions wait in line, so long, and beyond so many are refused.
    "CONCURRENT_ANSWERS": env.whole_number("CONCURRENT_ANSWERS", 200, at_least=1, at_most=10_000),
    "QUEUE_SECONDS": 120,
    "QUEUE_LENGTH": 1_000,
    "GRACE_SECONDS": 120,  # an answer that nobody has open any more goes on for so long
}

# --- Retrieval ----------------------------------------------------------------------------------
RAG = {
    "SOURCE": "learning.sources.CourseSource",
    "EMBEDDER": "rag.embedders.sentence_transformer.SentenceTransformerEmbedder",
    "EMBEDDING_MODEL": env.text("EMBEDDING_MODEL"),  # unset: the packaged MiniLM
    "EMBEDDING_PRECISION": env.choice(
        "EMBEDDING_PRECISION", "auto", among=("auto", "float32", "bfloat16")
    ),
    # Where all vectors fit in memory, looking at each of them is both exact and quicker.
    "STORE": {
        "exact": "rag.stores.exact.ExactStore",
        "pgvector": "rag.stores.pgvector.PgVectorStore",
    }[env.choice("VECTOR_STORE", "exact", among=("exact", "pgvector"))],
    "RERANKER": (
        "rag.rerankers.cross_encoder.CrossEncoderReranker"
        if env.text("RERANKER_MODEL")
        else "rag.rerankers.late_interaction.LateInteraction"
    ),
    "RERANKER_MODEL": env.text("RERANKER_MODEL"),
    "RERANK_SECONDS": 2.0,  # past it the fused order stands
}

# --- What is made of a course beside the chat ---------------------------------------------------
STUDY = {
    "MAKERS": {
        "wordcloud": "learning.artefacts.wordcloud.WordCloud",
        "knowledge_graph": "learning.artefacts.knowledge_graph.KnowledgeGraph",
        "quiz": "learning.artefacts.quiz.Quiz",
    },
}

# --- Tracing ------------------------------------------------------------------------------------
LANGFUSE_HOST = env.url("LANGFUSE_HOST")
LANGFUSE_PUBLIC_KEY = env.text("LANGFUSE_PUBLIC_KEY")
LANGFUSE_SECRET_KEY = env.text("LANGFUSE_SECRET_KEY")
TRACING = {
    "EXPORTER": (
        "tracing.exporters.langfuse.LangfuseExporter"
        if LANGFUSE_HOST and LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY
        else None
    ),
    "LANGFUSE_HOST": LANGFUSE_HOST,
    "LANGFUSE_PUBLIC_KEY": LANGFUSE_PUBLIC_KEY,
    "LANGFUSE_SECRET_KEY": LANGFUSE_SECRET_KEY,
    # Two addresses: inside compose the server reaches Langfuse as http://langfuse:3000, which a
    # browser cannot.
    "LANGFUSE_PUBLIC_URL": env.url("LANGFUSE_PUBLIC_URL", LANGFUSE_HOST),
    "LANGFUSE_PROJECT_ID": env.text("LANGFUSE_PROJECT_ID"),
    "USER_ID": env.choice("TRACING_USER_ID", "id", among=("id", "nickname")),
    "CAPTURE_CONTENT": env.flag("TRACING_CAPTURE_CONTENT", True),
    "RETENTION_DAYS": env.whole_number("TRACING_RETENTION_DAYS", 0, at_least=0, at_most=36_500),
    "PRICES": env.prices("TRACING_PRICES"),
    "GROUP_TAG": "course",
    "GROUP_LABEL": _("course"),
    "SESSION_URL": "learning.links.session_url",
    "ADMIN_BASE": "unfold.admin.ModelAdmin",
    "RAISE_ERRORS": False,
}

# --- Admin --------------------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "Coursetrace",
    "SITE_HEADER": "Coursetrace",
    "SITE_SYMBOL": "school",
    "SITE_URL": "/",
    "SHOW_HISTORY": True,
    "SHOW_LANGUAGES": True,
    "COLORS": {"primary": menu.BLUE},
    "STYLES": menu.STYLES,
    "SIDEBAR": {"navigation": menu.NAVIGATION},
}

# --- Logs ---------------------------------------------------------------------------------------
# What is kept of a turn is masked like a line of the log: a server's refusal may quote our key.
TRACING["MASK"] = "config.masking.mask_content"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "config.logs.formatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "django": {"level": "INFO"},  # without Django's own handlers, which would print it again
        "django.server": {"handlers": ["console"], "level": "INFO", "propagate": False},
        "daphne.http_protocol": {"level": "WARNING"},
        "uvicorn": {"handlers": [], "level": "INFO", "propagate": True},
        "uvicorn.error": {"handlers": [], "level": "INFO", "propagate": True},
        "uvicorn.access": {"handlers": [], "level": "WARNING", "propagate": True},
        "jieba": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        "sentence_transformers": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
    },
}
