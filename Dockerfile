# syntax is left out on purpose: the classic builder and BuildKit both take this file, and neither fetches a frontend.
# Any base with Python 3.11 or newer and pip will do; pin it by digest where builds have to be repeatable.
ARG BASE_IMAGE=python:3.13-slim-bookworm

FROM ${BASE_IMAGE} AS build
WORKDIR /src
# pip is the builder's: what runs later has none.
RUN python3 -m venv --without-pip /opt/dind-webhook
COPY requirements.lock .
RUN python3 -m pip --python /opt/dind-webhook/bin/python3 install \
      --no-cache-dir --no-compile --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY app app
# The client's asynchronous twin is a quarter of everything here, and nothing imports it.
# Compiled once here, since the root filesystem is read-only later; by hash, so that no time of day is in the files: nor
# in those (-f) that Python wrote for itself during the build.
RUN python3 -m pip --python /opt/dind-webhook/bin/python3 install \
      --no-cache-dir --no-compile --disable-pip-version-check --no-deps --no-build-isolation . \
 && python3 -m pip --python /opt/dind-webhook/bin/python3 uninstall --yes --quiet setuptools \
 && rm -rf /opt/dind-webhook/lib/python3*/site-packages/kubernetes/aio \
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
