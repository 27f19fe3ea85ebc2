# syntax=docker/dockerfile:1
# facegate alone: its programs, the libraries they load and the models. How to
# run it, with no more rights than it needs: compose.yaml.
#
#   docker build -t facegate .
#   docker buildx build --platform linux/amd64,linux/arm64,linux/arm/v7 .

FROM debian:12-slim AS build
# The release pins the versions; security fixes must get in.
# hadolint ignore=DL3008
RUN sed -i 's/^Types: deb$/Types: deb deb-src/' \
        /etc/apt/sources.list.d/debian.sources && \
    apt-get update && \
    apt-get install -y --no-install-recommends \
        ca-certificates cmake dpkg-dev gcc libc6-dev libgnutls28-dev \
        libjansson-dev libjpeg62-turbo-dev libmicrohttpd-dev \
        libmosquitto-dev libsodium-dev libsqlite3-dev libssl-dev make \
        nettle-dev pkg-config zlib1g-dev
# Debian's libcurl brings Kerberos, LDAP, SSH and more, a sixth of the image. Its
# source, patches included, for HTTP alone and with the OpenSSL that
# libmosquitto loads anyway:
WORKDIR /curl
RUN apt-get source -q curl && \
    cmake -S curl-* -B build -DCMAKE_BUILD_TYPE=MinSizeRel \
        -DHTTP_ONLY=ON -DCURL_USE_OPENSSL=ON -DUSE_NGHTTP2=OFF \
        -DUSE_LIBIDN2=OFF -DCURL_USE_LIBSSH2=OFF -DCURL_USE_LIBPSL=OFF \
        -DCURL_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt \
        -DBUILD_CURL_EXE=OFF -DBUILD_TESTING=OFF && \
    cmake --build build -j "$(nproc)" && \
    cmake --install build && \
    install -D -m 644 curl-*/COPYING /usr/local/share/doc/libcurl/copyright
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
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["/usr/bin/facegate", "health"]
ENTRYPOINT ["/usr/bin/facegated"]
