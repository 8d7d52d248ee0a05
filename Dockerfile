# The job, the dashboard and the command line in one image; docker-compose.yml says which of them runs.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

WORKDIR /app
COPY requirements.txt ./
# One lock for all: it holds the tools of development as well.
RUN python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement requirements.txt

COPY pyproject.toml README.md LICENSE dbwatch.toml ./
COPY connectors ./connectors
COPY flows ./flows
COPY dashboard ./dashboard
COPY dbwatch ./dbwatch
RUN python -m pip install --no-cache-dir --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable .

# /data is for the recovery folder and the archive; a volume takes its owner from here.
RUN useradd --system --uid 10001 --no-create-home dbwatch && install -d -o dbwatch -g dbwatch /data /data/archive
USER dbwatch

CMD ["dbwatch", "run", "--recovery", "/data/recovery"]
