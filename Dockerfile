# syntax=docker/dockerfile:1
# facegate alone: its programs, the libraries they load and the models.
#
#   docker build -t facegate .
#   docker run --read-only --memory 64m -p 127.0.0.1:8080:8080 \
#       -v facegate:/var/lib/facegate -e FACEGATE_FIRST_KEY=true facegate
#
# Without keys the daemon serves its own machine alone, which here is the
# container: the first start prints the first admin's key.

FROM debian:12-slim AS build
# The release pins the versions; security fixes must get in.
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install -y --no-install-recommends \
        ca-certificates cmake gcc libc6-dev libcurl4-gnutls-dev \
        libgnutls28-dev libjansson-dev libjpeg62-turbo-dev \
        libmicrohttpd-dev libmosquitto-dev libsodium-dev libsqlite3-dev make nettle-dev \
        pkg-config && \
    rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN .ci/image /image

FROM scratch
COPY --from=build /image/ /
ENV FACEGATE_LISTEN=0.0.0.0:8080 \
    FACEGATE_DATA_DIR=/var/lib/facegate \
    FACEGATE_MODELS_DIR=/usr/share/facegate/models \
    LD_BIND_NOW=1
USER 65532:65532
VOLUME /var/lib/facegate
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s \
    CMD ["/usr/bin/facegate", "health"]
ENTRYPOINT ["/usr/bin/facegated"]
