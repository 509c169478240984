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
    "axes",
    "csp",
    "django_tasks",
    "django_tasks_db",
    "learning",
    "rag",
    "tracing",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "tracing.middleware.TracingMiddleware",
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
        {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
        if REDIS_URL
        else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    )
}
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

# A process that serves sweeps up after dead ones and loads the models at its start.
UPKEEP = True

# --- People -------------------------------------------------------------------------------------
AUTH_USER_MODEL = "learning.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"
# Ten wrong passwords for one name from one address; then that pair waits.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "learning/locked_out.html"

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
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}
# A page without its style is better than no page, where nobody has run collectstatic.
WHITENOISE_MANIFEST_STRICT = False

# --- Safety -------------------------------------------------------------------------------------
# Who is reached by https says so in DJANGO_CSRF_TRUSTED_ORIGINS; cookies then travel by it alone.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = any(
    origin.startswith("https://") for origin in CSRF_TRUSTED_ORIGINS
)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    # The admin's own theme evaluates attributes (Alpine.js); students' pages allow no such thing.
    "EXCLUDE_URL_PREFIXES": ["/admin/"],
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
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

# --- The tutor ----------------------------------------------------------------------------------
OPENAI_API_KEY = env.text("OPENAI_API_KEY")
OPENAI_BASE_URL = env.url("OPENAI_BASE_URL")
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
    "CONTEXT_TOKENS": 8_000,  # what a prompt may hold, passages and history included
    "ANSWER_TOKENS": 1_500,
    "CONNECT_TIMEOUT_SECONDS": 10,
    "READ_TIMEOUT_SECONDS": 60,  # between two chunks
    "MAX_RETRIES": 2,  # only before the first token
    "ANSWER_SECONDS": 300,  # from the first search to the last word
    "ANSWER_CHARACTERS": 60_000,
    "QUESTION_CHARACTERS": 4_000,
    "FRAME_CHARACTERS": 200_000,  # of one websocket frame from a browser
    "PASSAGES": 6,
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
    "SIDEBAR": {
        "navigation": [
            menu.group(
                _("The tutor"),
                ("forum", _("Conversations"), "learning", "conversation"),
                ("chat", _("Messages"), "learning", "message"),
                ("timeline", _("Traces"), "tracing", "tracerecord"),
                ("thumbs_up_down", _("Scores"), "tracing", "scorerecord"),
            ),
            menu.group(
                _("Courses"),
                ("school", _("Courses"), "learning", "course"),
                ("menu_book", _("Chapters"), "learning", "chapter"),
                ("group_add", _("Enrolments"), "learning", "enrolment"),
            ),
            menu.group(
                _("Search"),
                ("database", _("Index versions"), "rag", "indexversion"),
                ("notes", _("Passages"), "rag", "chunk"),
            ),
            menu.group(
                _("Site"),
                ("person", _("Users"), "learning", "user"),
                ("groups", _("Groups"), "auth", "group"),
                ("task", _("Background jobs"), "django_tasks_database", "dbtaskresult"),
                ("lock", _("Failed log-ins"), "axes", "accessattempt"),
            ),
        ],
    },
}

# --- Logs ---------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "config.logs.formatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "django.server": {"handlers": ["console"], "level": "INFO", "propagate": False},
        "daphne.http_protocol": {"level": "WARNING"},
        "jieba": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        "sentence_transformers": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
    },
}
