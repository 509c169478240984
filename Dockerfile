# One image for the web process and the worker; compose.yaml says which is which.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
RUN python -m venv /app/.venv
ENV PATH="/app/.venv/bin:$PATH" PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# The CPU build of PyTorch first: the default one brings gigabytes of CUDA.
RUN pip install --no-deps --extra-index-url https://download.pytorch.org/whl/cpu torch==2.13.0
COPY requirements.lock ./
RUN pip install -r requirements.lock

FROM python:3.11-slim-bookworm
RUN useradd --create-home --uid 10001 coursetrace \
    && mkdir -p /app /data && chown coursetrace /app /data
WORKDIR /app
COPY --from=build /app/.venv /app/.venv
COPY --chown=coursetrace manage.py pyproject.toml ./
COPY --chown=coursetrace config config
COPY --chown=coursetrace tracing tracing
COPY --chown=coursetrace rag rag
COPY --chown=coursetrace learning learning
ENV PATH="/app/.venv/bin:$PATH" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/data \
    HF_HOME=/data/huggingface
USER coursetrace
RUN DJANGO_SECRET_KEY=only-for-this-step python manage.py collectstatic --noinput -v 0
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
# -v 0: requests are logged by config/request_log.py, in the form of all other lines.
CMD ["daphne", "-v", "0", "-b", "0.0.0.0", "-p", "8000", "config.asgi:application"]
