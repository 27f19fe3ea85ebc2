# syntax=docker/dockerfile:1
# facegate alone: its programs, the libraries they load and the models. How to
# run it, with no more rights than it needs: compose.yaml.
#
#   docker build -t facegate .
#   docker buildx build --platform linux/amd64,linux/arm64,linux/arm/v7 .
#
# The compilers run on the machine that builds, whatever the platform is: under
# emulation they would take a hundred times as long.

FROM --platform=$BUILDPLATFORM debian:12-slim AS build
ARG TARGETARCH
ARG TARGETVARIANT
WORKDIR /src
COPY . .
RUN .ci/image "$TARGETARCH$TARGETVARIANT" /image

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
