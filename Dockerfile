# syntax is left out on purpose: the classic builder and BuildKit both take this file, and neither fetches a frontend.
# Any base with Python 3.11 or newer will do. Renovate pins the two by digest.
ARG BASE_IMAGE=python:3.13-slim-bookworm
# The same Python, at the same place, with its headers, pip and a C compiler
ARG BUILD_IMAGE=python:3.13-bookworm

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
# pip is the builder's: what runs later has none. What compiles looks up types in what runs.
RUN python3 -m venv --without-pip /opt/dind-webhook \
 && python3 -m venv --without-pip /opt/build \
 && echo /opt/dind-webhook/lib/python3*/site-packages > "$(echo /opt/build/lib/python3*/site-packages)/types.pth"
COPY requirements.lock requirements-build.lock ./
RUN for what in dind-webhook:requirements.lock build:requirements-build.lock; do \
      python3 -m pip --python /opt/${what%:*}/bin/python3 install \
        --no-cache-dir --no-compile --disable-pip-version-check --require-hashes -r ${what#*:} || exit; \
    done
COPY pyproject.toml setup.py README.md LICENSE ./
COPY dind_webhook dind_webhook
# Empty for an image that is built in half the time, and slower.
ARG COMPILE=1
RUN DIND_WEBHOOK_COMPILE=${COMPILE} python3 -m pip --python /opt/build/bin/python3 wheel \
      --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir /wheel .
COPY release/unused.py unused.py
# Compiled once here, since the root file system is read-only later; by hash, so that no time of day is in the files: nor
# in those (-f) that Python wrote for itself during the build.
RUN python3 -m pip --python /opt/dind-webhook/bin/python3 install \
      --no-cache-dir --no-compile --disable-pip-version-check --no-deps /wheel/*.whl \
 && python3 unused.py /opt/dind-webhook/lib/python3*/site-packages \
 && /opt/dind-webhook/bin/python3 -m compileall -q -f -j 0 --invalidation-mode unchecked-hash /opt/dind-webhook/lib

FROM ${BASE_IMAGE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dind-webhook" \
      org.opencontainers.image.description="Kubernetes mutating admission webhook that gives annotated CI pods a working Docker daemon" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/dind-webhook /opt/dind-webhook
# Fails where the two images do not go together.
RUN ["/opt/dind-webhook/bin/dind-webhook", "--version"]
# Fewer arenas for the few threads of `certs`: memory that is freed is used again.
ENV PATH=/opt/dind-webhook/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2
# A number, so that kubelet can tell that it is not root.
USER 65532:65532
EXPOSE 10250 8080
ENTRYPOINT ["/opt/dind-webhook/bin/dind-webhook"]
CMD ["serve"]
